#!/usr/bin/env bash
# What `make install` puts into a folder is what others need: the example of README.md is compiled
# against it, shared and static, and run; the man page and the completions are sound.
. "$(dirname "$0")/lib.sh"
to=$work/to
variant=$(basename "$(dirname "$(readlink -f "${CONSENS:-build/release/consens}")")")
make --no-print-directory WERROR="${WERROR:-}" VARIANT="$variant" DESTDIR="$to" PREFIX=/opt/consens install \
    >"$work/install.log" 2>&1
is 'make install' 0 $?
[ -x "$to/opt/consens/bin/consens" ] || cat "$work/install.log"
is 'the program runs' "$("$consens" version)" "$("$to/opt/consens/bin/consens" version)"

# ---- the example
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$work/example.c"
lines=$(wc -l <"$work/example.c")
below 'the example is short' 36 "$lines"
export PKG_CONFIG_PATH=$to/opt/consens/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$to
read -ra flags < <(pkg-config --cflags consens)
read -ra shared < <(pkg-config --libs consens)
strict=(-std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
${CC:-gcc} "${strict[@]}" "${flags[@]}" "$work/example.c" -o "$work/shared" "${shared[@]}"
is 'it compiles, shared' 0 $?
${CC:-gcc} "${strict[@]}" "${flags[@]}" "$work/example.c" -o "$work/static" \
    "$to/opt/consens/lib/libconsens.a" -lzmq -pthread
is 'it compiles, static' 0 $?
is 'pkg-config knows what a static one needs' yes \
    "$(pkg-config --static --libs consens 2>&1 | grep -q -- '-lzmq' && echo yes)"
printf '#include <consens/client.h>\nint main() { return consens_code_word(CONSENS_OK) == nullptr; }\n' \
    >"$work/plus.cpp"
g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror "${flags[@]}" "$work/plus.cpp" -o "$work/plus" \
    "${shared[@]}"
is 'and so does C++' 0 $?
like 'the shared one wants libconsens.so.0' 'NEEDED +libconsens.so.0' "$(objdump -p "$work/shared")"
is 'the static one does not' '' "$(objdump -p "$work/static" | grep libconsens)"

free_ports 1
start_all
until_true 20 all_ready
endpoint=tcp://127.0.0.1:$((ports[0] + 20000))
run_shared() { LD_LIBRARY_PATH=$to/opt/consens/lib "$work/shared" "$1"; }
is 'it runs, shared' $'created: created\nmydata, revision 1' "$(run_shared "$endpoint")"
is 'it runs, static' $'updated: updated\nmydata, revision 2' "$("$work/static" "$endpoint")"
like 'endpoints of no sense are an error in words' 'is of no use' "$(run_shared localhost 2>&1)"

# ---- what the libraries show
for library in so.0 a; do
    [ "$library" = a ] && dynamic='' || dynamic=-D
    is "libconsens.$library shows consens_* only" '' \
        "$(nm $dynamic -g --defined-only "$to/opt/consens/lib/libconsens.$library" |
            awk 'NF == 3 && $3 !~ /^consens_/ { print $3 }')"
done
grep -o 'consens_[a-z_]*(' "$to/opt/consens/include/consens/client.h" | tr -d '(' | sort -u |
    while read -r name; do
        grep -q "^CONSENS_API.*$name\|^$name(" "$to/opt/consens/include/consens/client.h" && echo "$name"
    done | sort -u >"$work/declared"
nm -D --defined-only "$to/opt/consens/lib/libconsens.so.0" | awk '{ print $3 }' | sort >"$work/shown"
is 'and all that the header declares' '' "$(comm -3 "$work/declared" "$work/shown")"
is 'the header names no other library' '' \
    "$(grep -niE '\bzmq_|msgpack_|include <(zmq|msgpack)' "$to/opt/consens/include/consens/client.h")"

# ---- man page and completions
share=$to/opt/consens/share
is 'the man page has no fault' '' "$(mandoc -T lint "$share/man/man1/consens.1" 2>&1)"
page=$(mandoc -T ascii "$share/man/man1/consens.1" | col -b)
bash=$share/bash-completion/completions/consens
commands=$(bash -c '. "$1"; COMP_WORDS=(consens "") COMP_CWORD=1; _consens; echo "${COMPREPLY[@]}"' - "$bash")
like 'bash completes commands' '(^| )get( .*)? put( |$)' "$commands"
missing=
for command in $commands; do
    grep -qE "^ +(consens )?$command( |\$)" <<<"$page" || missing+=" $command"
    options=$(bash -c '. "$1"; COMP_WORDS=(consens "$2" --) COMP_CWORD=2; _consens; echo "${COMPREPLY[@]}"' \
        - "$bash" "$command")
    help=$("$consens" help "$command")
    for option in $options; do
        [ "$option" = --help ] && continue
        grep -q -- "$option" <<<"$page" || missing+=" $command $option (man page)"
        grep -q -- "$option" <<<"$help" || missing+=" $command $option (help)"
        # Known to the command itself: without its value, or its arguments, it is a mistake of use.
        "$consens" "$command" "$option" 2>&1 >"$work/out" | grep -q 'unknown option' &&
            missing+=" $command $option (unknown)"
    done
    for option in $(grep -oE -- '--[a-z][a-z-]+' <<<"$help"); do
        grep -qw -- "$option" <<<"$options" || missing+=" $command $option (completion)"
    done
done
is 'man page, help, completion and program know the same' '' "$missing"
is 'bash completes files after @' "@$work/example.c" \
    "$(bash -c '. "$1"; COMP_WORDS=(consens put k "$2") COMP_CWORD=3; _consens; echo "${COMPREPLY[@]}"' \
        - "$bash" "@$work/exa")"
zsh -n "$share/zsh/site-functions/_consens"
is 'zsh reads its completion' 0 $?
fish -n "$share/fish/vendor_completions.d/consens.fish"
is 'fish reads its completion' 0 $?
like 'fish completes commands' '^get' \
    "$(fish --no-config -c "source $share/fish/vendor_completions.d/consens.fish; complete -C 'consens ge'")"
