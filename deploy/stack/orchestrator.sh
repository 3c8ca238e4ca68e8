#!/bin/sh
# Starts the orchestrator with the tokens of the servers in its environment: its config names them, as ${FILES_TOKEN}.
set -eu
: "${TOKENS_FILE:?must name the file of tokens that make_secrets.py wrote}"
set -a
. "$TOKENS_FILE"
set +a
exec orchestrator "$@"
