"""``GET /metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from audio_score_server.telemetry.metrics import CONTENT_TYPE, Metrics

router = APIRouter(tags=["health"])


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
def get_metrics(request: Request) -> Response:
    """Requests, latencies, batches, queues and devices, for Prometheus."""
    metrics = request.app.state.metrics
    assert isinstance(metrics, Metrics)
    return Response(metrics.exposition(), media_type=CONTENT_TYPE)
