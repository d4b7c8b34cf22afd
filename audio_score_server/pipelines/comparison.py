"""From what models encoded of a clip and of a recording to a score; pure, for any thread."""

from __future__ import annotations

from audio_score_server.domain import Contours, Reference, Score
from audio_score_server.language.languages import Language
from audio_score_server.library.clip import Clip
from audio_score_server.pipelines.analysis import (
    ClipReferences,
    EncodedPair,
    analyse,
    words_of_clip,
)
from audio_score_server.pipelines.protocol import ScoreResult
from audio_score_server.scoring.text import borne_out, text_similarity
from audio_score_server.scoring.words import ClipWord
from audio_score_server.settings import AudioFeatures
from audio_score_server.similarity.measure import AudioSimilarity, PooledSimilarity


class Comparator:
    """Scores as one model hears, with the help of a phone model where there is one."""

    def __init__(
        self,
        features: AudioFeatures,
        phone_language: Language | None,
        phone_comparator: Comparator | None,
    ) -> None:
        """Compare by means until a calibrated measure is put in as ``similarity``.

        Args:
            features: whose are compared: the model's ``own``, the phone model's ``phones``, or by
                ``auto`` the latter for clips in its language.
            phone_language: whose phones the model itself hears; None where it hears words.
            phone_comparator: of the auxiliary phone model.
        """
        self.similarity: AudioSimilarity = PooledSimilarity()
        self.phone_language = phone_language
        self._features = features
        self._phones = phone_comparator

    def uses_phones(self, reference: Reference) -> bool:
        """Whether the phone model has a say: in its language, whose sounds it knows, always."""
        return self._phones is not None and (
            self._features == "phones" or self._language(reference) is not None
        )

    def score(self, clip: Clip, own: EncodedPair, phones: EncodedPair | None) -> Score:
        """The score of a recording.

        Args:
            clip: that it performs.
            own: both as the model encoded them.
            phones: both as the phone model encoded them, where it has a say.
        """
        text = self.text_score(own, phones)
        if phones is None or self._phones is None or self._features == "own":
            return Score(self._audio_similarity(clip, own), text)
        return Score(self._phones._audio_similarity(clip, phones), text)

    def text_score(self, own: EncodedPair, phones: EncodedPair | None) -> float:
        """How nearly a recording says what the clip says, of pairs as ``score`` takes them."""
        text = text_similarity(own.reference.transcript, own.encoding)
        if phones is None or self._language(own.reference) is None:
            return text
        return borne_out(text, text_similarity(phones.reference.transcript, phones.encoding))

    def compare(
        self, clip: Clip, own: EncodedPair, phones: EncodedPair | None, recording: Contours
    ) -> ScoreResult:
        """The score with its analysis; arguments as of ``score``, and the recording's contours."""
        score = self.score(clip, own, phones)
        path = self.similarity.path(own.reference, own.encoding.features)
        language = self._language(own.reference)
        analysis = analyse(clip.text, own, phones, language, recording, path, score)
        return ScoreResult(score, analysis)

    def clip_words(self, clip: Clip, references: ClipReferences) -> tuple[ClipWord, ...]:
        """Where the words of a clip's text are in it; none where no phones are known."""
        return words_of_clip(clip.text, references, self._language(references.own))

    def _audio_similarity(self, clip: Clip, pair: EncodedPair) -> float:
        return self.similarity.score(clip, pair.reference, pair.encoding.features)

    def _language(self, reference: Reference) -> Language | None:
        """Whose phones are known of this clip."""
        if self.phone_language is not None:
            return self.phone_language
        known = self._phones.phone_language if self._phones else None
        return known if known and known.code == reference.transcript.language else None
