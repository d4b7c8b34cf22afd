"""Single requests in, batches through a device, single answers out; knows no model."""

from audio_score_server.batching.batcher import Batcher
from audio_score_server.batching.items import BatchReport, Outcome, Ticket
from audio_score_server.batching.policy import BatchLimits

__all__ = ["BatchLimits", "BatchReport", "Batcher", "Outcome", "Ticket"]
