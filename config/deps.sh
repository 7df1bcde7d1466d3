#!/bin/sh
# deps.sh run|check|bench...: install the Debian packages that are missing, saying which and why.
# Does nothing, fast and silently, when all are there. sudo only if not root.
set -eu

run_packages='libc6-dev libzmq3-dev libczmq-dev libmsgpack-dev libcivetweb-dev libxxhash-dev
    libbsd-dev curl'
check_packages='libcmocka-dev clang clang-14 libclang-rt-14-dev clang-format-14 clang-tidy
    clang-tidy-14 cppcheck gcovr iproute2 nftables python3 git mount e2fsprogs spin
    tcc python3-zmq python3-msgpack pkg-config g++ mandoc bsdextrautils zsh fish'
# Node may have come from elsewhere than Debian.
command -v node >/dev/null && command -v npm >/dev/null || check_packages="$check_packages nodejs npm"
bench_packages='etcd-server python3' # measured beside us, in the same run

wanted=
why=
for purpose in "$@"; do
    case $purpose in
    run) wanted="$wanted $run_packages" why="to build and run consens" ;;
    check) wanted="$wanted $check_packages" why="to build, test and measure consens" ;;
    bench) wanted="$wanted $bench_packages" why="to build consens and measure it beside etcd" ;;
    *) echo "usage: deps.sh run|check|bench..." >&2 && exit 2 ;;
    esac
done

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
    sed -n 's/^installed //p') || {
    echo "This is not a Debian system. Install by hand what these packages hold:$wanted" >&2
    exit 1
}
missing=
for package in $wanted; do
    if ! printf '%s\n' "$installed" | grep -qxF "$package"; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi

echo "Installing$missing: needed $why."
sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Only root may install packages and there is no sudo. As root: apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi

# apt is quiet unless it fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt_get() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=120 "$@" \
        >>"$log" 2>&1 </dev/null
}
# Word splitting is meant: $missing is a list. Without package lists, or with stale ones, the
# first try fails.
# shellcheck disable=SC2086
apt_get install --no-install-recommends $missing ||
    { apt_get update && apt_get install --no-install-recommends $missing; } ||
    {
        cat "$log" >&2
        echo "apt-get could not install$missing (its output is above)." >&2
        exit 1
    }
