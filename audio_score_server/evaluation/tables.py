"""The report of an evaluation, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from audio_score_server.evaluation.assessment import Assessment, Component
from audio_score_server.evaluation.estimates import Correlation, Estimate
from audio_score_server.evaluation.report import Report


def report_text(report: Report) -> str:
    """Every model's tables."""
    return "\n\n".join(part for assessment in report.models.values() for part in _parts(assessment))


def comparison_text(old: Mapping[str, Any], report: Report) -> str:
    """How the figures differ from those of an earlier report."""
    head = ["", "figure", "earlier", "now", "change", ""]
    lines = [f"Compared with the report of {old['made']}:"]
    if old["data"]["sha256"] != report.data.sha256:
        lines.append("Its recordings were others: changes may come from these.")
    rows = list(_changes(old["models"], report.models))
    if not rows:
        return "\n".join([*lines, "They have no model and component in common."])
    note = "* outside of the earlier figure's 95 % interval"
    return "\n".join([*lines, _table(head, rows), note])


def _parts(assessment: Assessment) -> Iterator[str]:
    where = f"{assessment.device} as {assessment.dtype}" if assessment.dtype else assessment.device
    yield (
        f"{assessment.model} on {where}: {assessment.recordings} recordings, {assessment.trials} "
        f"trials in {assessment.seconds:.1f} s"
    )
    components = assessment.components
    tables = (
        ("Right from wrong", _discrimination(components)),
        ("Scores by label", _spreads(components)),
        ("Calibration", _calibration(components)),
        ("Pearson correlation", _correlations(assessment, "pearson")),
        ("Spearman correlation", _correlations(assessment, "spearman")),
    )
    for title, table in tables:
        if table:
            yield f"{title}\n{table}"
    if assessment.left_out:
        reasons = (f"  {name}: {reason}" for name, reason in assessment.left_out.items())
        yield "\n".join([f"Left out ({len(assessment.left_out)})", *reasons])


def _discrimination(components: Mapping[str, Component]) -> str:
    rows = [
        [
            name,
            *(_ranged(each.auc, 4), _ranged(each.eer, 3), _number(each.d_prime, 2)),
            *(_number(each.eer_threshold, 3), _number(each.strict_threshold, 3)),
            f"{each.strict_share:.1%}",
        ]
        for name, component in components.items()
        if (each := component.discrimination) is not None
    ]
    head = ["", "AUC [95 %]", "EER [95 %]", "d'", "EER at", "1 % of wrong pass", "then of right"]
    return _table(head, rows)


def _spreads(components: Mapping[str, Component]) -> str:
    rows = [
        [
            name,
            label,
            str(spread.count),
            *(f"{value:.3f}" for value in _outline(spread.mean, spread.deciles)),
        ]
        for name, component in components.items()
        for label, spread in component.spreads.items()
    ]
    return _table(["", "label", "trials", "mean", "least", "10 %", "median", "90 %", "most"], rows)


def _outline(mean: float, deciles: tuple[float, ...]) -> tuple[float, ...]:
    return mean, *(deciles[place] for place in (0, 1, 5, 9, 10))


def _calibration(components: Mapping[str, Component]) -> str:
    rows = [
        [name, f"{each.brier:.3f}", f"{each.ece:.3f}"]
        for name, component in components.items()
        if (each := component.reliability) is not None
    ]
    return _table(["", "Brier", "ECE"], rows)


def _correlations(assessment: Assessment, kind: Literal["pearson", "spearman"]) -> str:
    """One line for each component and for each other program."""
    lines: dict[str, Mapping[str, Correlation]] = {
        name: component.correlations for name, component in assessment.components.items()
    }
    lines |= assessment.others
    measures = list(dict.fromkeys(name for found in lines.values() for name in found))
    rows = []
    for name, found in lines.items():
        estimates = [getattr(found[each], kind) if each in found else None for each in measures]
        rows.append([name, *("" if each is None else _ranged(each, 3) for each in estimates)])
    return _table(["", *measures], rows) if measures else ""


def _changes(old: Mapping[str, Any], new: Mapping[str, Assessment]) -> Iterator[list[str]]:
    for model in new:
        if model not in old:
            continue
        for name, component in new[model].components.items():
            before = old[model]["components"].get(name)
            if before is not None:
                for figure, was, now in _figures(before, component):
                    yield [f"{model} {name}", figure, *_change(was, now)]


def _figures(
    before: Mapping[str, Any], now: Component
) -> Iterator[tuple[str, Mapping[str, Any], Estimate]]:
    """Figures that both have."""
    if before["discrimination"] and now.discrimination:
        yield "AUC", before["discrimination"]["auc"], now.discrimination.auc
        yield "EER", before["discrimination"]["eer"], now.discrimination.eer
    for measure, correlation in now.correlations.items():
        if measure in before["correlations"]:
            was = before["correlations"][measure]
            yield f"Pearson {measure}", was["pearson"], correlation.pearson
            yield f"Spearman {measure}", was["spearman"], correlation.spearman


def _change(was: Mapping[str, Any], now: Estimate) -> list[str]:
    known = was["low"] is not None
    outside = known and not was["low"] <= now.value <= was["high"]
    change = now.value - was["value"]
    return [f"{was['value']:.4f}", f"{now.value:.4f}", f"{change:+.4f}", "*" if outside else ""]


def _ranged(estimate: Estimate, digits: int) -> str:
    """``0.9594 [0.91, 1.00]``: the interval needs fewer digits than the figure."""
    value = f"{estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    fewer = digits - 1
    return f"{value} [{estimate.low:.{fewer}f}, {estimate.high:.{fewer}f}]"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Columns in line, names to the left and numbers to the right; empty without rows."""
    lines = [head, *rows]
    if len(lines) == 1:
        return ""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
