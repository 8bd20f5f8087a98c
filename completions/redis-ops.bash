_redis_ops() {
    local program=$1 rest=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^=:]/} IFS=$'\013'
    local -a words=()
    local -i at last=-1
    local blanks word
    command -v -- "$program" >/dev/null 2>&1 || program=redis-ops
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        blanks=${rest%%[![:space:]]*}
        rest=${rest#"$blanks"}
        word=${rest:0:${#word}}
        rest=${rest#"$word"}
        if [[ $last -ge 0 && -z $blanks ]]; then words[last]+=$word; else words[++last]=$word; fi
    done
    word=${words[last]}
    COMPREPLY=($(_CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$last REDIS_OPS_COMPLETE=bash "$program" -- "${words[@]}" 2>/dev/null))
    ((${#COMPREPLY[@]})) || return 0
    if [[ -n $breaks && $word == *["$breaks"]* ]]; then
        word=${word%"${word##*["$breaks"]}"}
        COMPREPLY=("${COMPREPLY[@]#"$word"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then compopt -o nospace 2>/dev/null; fi
}
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o bashdefault -o nosort -F _redis_ops redis-ops
else
    complete -o bashdefault -F _redis_ops redis-ops
fi
