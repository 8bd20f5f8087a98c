#!/usr/bin/env bash
# Runs rustc for cargo (RUSTC_WORKSPACE_WRAPPER), and has it optimize a little what the tests run most: the library and the program. The
# tests themselves, of which each runs once, are compiled as quickly as ever. Assertions and checks for overflows stay on.
case " $* " in
  *" --test "*) exec "$@" ;;
  *" --crate-name redis_ops "*) exec "$@" -C opt-level=1 -C debug-assertions=on -C overflow-checks=on ;;
  *) exec "$@" ;;
esac
