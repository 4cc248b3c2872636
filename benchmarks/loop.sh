#!/bin/bash
# The shell loop that many pipelines use instead of a tool, written carefully: it prints each record
# once, in order. Takes URL, TOKEN, PIPELINE, RUN, PAUSE (seconds), and FILE for a response.
call() {
  curl -sf -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
    -d "$2" "$URL/api/v1/pipeline/$1"
}
last=''
while :; do
  state=$(call status "{\"pipelineId\":\"$PIPELINE\",\"runCount\":$RUN}" | jq -r .status)
  call logs "{\"pipelineId\":\"$PIPELINE\",\"runCount\":$RUN,\"type\":\"console output\"}" > "$FILE"
  jq -rj --arg last "$last" \
    'reverse[] | select(._id > $last) | .api_response.jenkinsConsoleLog' "$FILE"
  last=$(jq -r '.[0]._id // ""' "$FILE")
  [ "$state" = running ] || break
  sleep "$PAUSE"
done
[ "$state" = success ]
