# What the scripts share. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The wasm target of guests. It imports nothing but what its WIT says: the smallest sandbox.
guest_target=wasm32-unknown-unknown

# Where `scripts/setup` remembers which toolchain builds the guests.
guest_toolchain_file=$root/target/guest-toolchain

say() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

# Says what is wrong, the first line of it after the script's name, and gives up.
fail() {
    say "$@"
    exit 1
}

# Whether a Debian package is installed.
installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Whether this machine has Debian packages at all.
has_apt() {
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

# Installs those of the named Debian packages that are missing. Asks for root only if there are any.
install_packages() {
    local package missing=() become_root=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            say "root is needed to install: ${missing[*]}"
            say "become root and run: apt-get install -y --no-install-recommends ${missing[*]}"
            return 1
        }
        become_root=(sudo)
    fi
    say "installing the Debian packages ${missing[*]}"
    "${become_root[@]}" apt-get update -q </dev/null >&2 || say "the package lists could not be refreshed; trying all the same"
    "${become_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null >&2
}

# The folder of the linkers that come with a rustup toolchain: wasm-component-ld, gcc-ld/wasm-ld.
linkers() {
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    echo "$(rustc --print sysroot)/lib/rustlib/$host/bin"
}

has_linkers() {
    local linkers
    linkers=$(linkers)
    [ -x "$linkers/wasm-component-ld" ] && [ -x "$linkers/gcc-ld/wasm-ld" ]
}

# Whether the ordinary toolchain has the standard library of the guest target.
has_target() {
    compgen -G "$(rustc --print sysroot)/lib/rustlib/$guest_target/lib/libstd-*.rlib" >/dev/null
}

# What builds guests where rustup cannot download: Debian's compiler, which builds the standard library from source.
debian_toolchain=(rustc-web cargo-web rust-web-src)

has_debian_toolchain() {
    local package
    command -v dpkg-query >/dev/null || return 1
    for package in "${debian_toolchain[@]}"; do
        installed "$package" || return 1
    done
}

# The toolchain that `scripts/setup` chose and that is still there: `rustup`, `debian`, or nothing.
guest_toolchain() {
    local toolchain=
    [ ! -f "$guest_toolchain_file" ] || toolchain=$(cat "$guest_toolchain_file")
    case $toolchain in
        rustup) has_target || toolchain= ;;
        debian) has_debian_toolchain || toolchain= ;;
        *) toolchain= ;;
    esac
    echo "$toolchain"
}
