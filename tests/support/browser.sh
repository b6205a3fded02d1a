#!/usr/bin/env bash
# Makes sure that a Chromium is at hand for the browser tests; where none can be had, says so in one line and lets them skip.
bin=$1
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
"$bin/python" - <<'PY' && exit 0
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not pathlib.Path(p.chromium.executable_path).exists())
PY
echo "browser tests: no Chromium found, fetching one" >&2
timeout 300 "$bin/playwright" install chromium >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/dev/null 2>&1 && exit 0
fi
echo "browser tests: no Chromium could be had (tried the PATH, playwright and apt-get): they will skip" >&2
exit 0
