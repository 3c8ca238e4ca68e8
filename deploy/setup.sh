#!/bin/sh
# Makes the virtual environment $2 with the python $1 and installs $3 (this project, perhaps with extras) into it.
# Uses uv where it is, else venv + pip. Says what is missing and what to do when it cannot.
set -eu
python=$1 venv=$2 what=$3

if [ -z "$python" ]; then
    echo "set-up: no Python 3.11 or newer was found. Install one (Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python" >&2
    exit 1
fi
echo "set-up: installing into $venv (once; a minute or so)" >&2
if command -v uv >/dev/null 2>&1; then
    [ -x "$venv/bin/python" ] || uv venv --quiet --python "$python" "$venv"
    exec uv pip install --quiet --python "$venv/bin/python" -c constraints.txt -e "$what"
fi
if [ ! -x "$venv/bin/pip" ] && ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    rm -rf "$venv"
    echo "set-up: '$python -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv, then run make again." >&2
    exit 1
fi
exec "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$what"
