# Set-up that the other scripts share. Sourced, not run.
#
# Makes .venv beside this folder and installs pinned requirements into it, once for each state of
# the requirement files; a second call costs nothing. Nothing is installed outside .venv.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PATH="$PATH:/usr/sbin"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf '\033[1;31mError:\033[0m %s\n' "$*" >&2; exit 1; }

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  fail "No Python 3.11 to 3.13 found. On Debian or Ubuntu: sudo apt-get install python3 python3-venv"
}

make_venv() {
  [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 && return
  local python
  python=$(find_python)
  say "Making a virtual environment in .venv with $($python --version)"
  rm -rf .venv
  "$python" -m venv .venv ||
    fail "python3 -m venv failed. On Debian or Ubuntu: sudo apt-get install python3-venv"
}

# install_requirements FILE: into .venv, unless this very state is there already.
install_requirements() {
  make_venv
  local stamp=".venv/installed-$1" wanted
  wanted=$(cat requirements*.txt constraints.txt | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  say "Installing $1 into .venv (several gigabytes the first time: a few minutes)"
  .venv/bin/python -m pip install --quiet --requirement "$1" --constraint constraints.txt ||
    fail "pip could not install $1; its own message is above. Is the package index reachable?"
  echo "$wanted" >"$stamp"
}

# install_client: the client as it is in this folder, into .venv; what it needs is the server's, too.
install_client() {
  local stamp=".venv/installed-client" wanted
  wanted=$(pwd && cat client/pyproject.toml)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  say "Installing the client into .venv"
  .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable client ||
    fail "pip could not install the client; its own message is above."
  echo "$wanted" >"$stamp"
}

# install_system PACKAGE ...: Debian packages whose programs, of the same name, are missing; through
# apt where this user may. Fails, naming the packages, where it cannot.
install_system() {
  local missing=() package as_root=()
  for package in "$@"; do
    command -v "$package" >/dev/null || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local remedy="These programs are missing; install them, on Debian: sudo apt-get install ${missing[*]}"
  command -v apt-get >/dev/null || { say "$remedy"; return 1; }
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || { say "$remedy"; return 1; }
    as_root=(sudo -n)
  fi
  say "Installing system packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq >&2 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >&2 ||
    { say "$remedy"; return 1; }
}
