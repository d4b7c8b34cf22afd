#!/usr/bin/env bash
# Ask a server with curl alone: examples/curl.sh [RECORDING [UID [CID]]]
#
# AUDIO_SCORE_SERVER is the server's address, AUDIO_SCORE_API_KEY its key where it wants one.
set -euo pipefail

server=${AUDIO_SCORE_SERVER:-http://localhost:9000}
recording=${1:-audio_clip/RiverTales-s01e01_part01_other.m4a}
uid=${2:-RiverTales-s01e01}
cid=${3:-part01}

# 429, 503 and lost connections are tried again, as long as the server's Retry-After says.
# The key goes through a file descriptor: on the command line every user of the machine could see it.
ask() {
  curl --silent --show-error --fail-with-body --retry 4 --retry-connrefused --max-time 60 \
    --header @<(printf '%s' "${AUDIO_SCORE_API_KEY:+Authorization: Bearer $AUDIO_SCORE_API_KEY}") "$@"
  echo
}

echo "# How close is the recording to the clip?"
ask "$server/score" --form uid="$uid" --form cid="$cid" --form audio=@"$recording"

echo "# Why? Word by word, with times."
ask "$server/score" --form uid="$uid" --form cid="$cid" --form audio=@"$recording" --form detail=full

echo "# Which clips are there? Those that say 'boat'."
ask --get "$server/clips" --data-urlencode "q=boat" --data-urlencode "limit=10"

echo "# All that is known of one."
ask "$server/clips/$uid/$cid"

echo "# Its sound, as WAV."
sound=$(mktemp --suffix=.wav)
ask "$server/clips/$uid/$cid/media?audio=1" --output "$sound"
echo "$(wc --bytes <"$sound") bytes"
rm "$sound"
