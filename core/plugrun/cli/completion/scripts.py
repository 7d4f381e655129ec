"""What each shell runs to complete a line of ``plugrun``."""

from __future__ import annotations

_BASH = """\
# bash completion for plugrun: put this into /etc/bash_completion.d, or:
# source <(plugrun completion bash)
_plugrun() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$' \\t\\n'
    local -a words
    read -ra words <<<"$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    local current="${words[${#words[@]} - 1]}"
    IFS=$'\\n'
    COMPREPLY=($("${words[0]}" __complete "${words[@]:1}" 2>/dev/null))
    # Bash breaks words at ':' and '=', and takes only what follows the last of them.
    local last=""
    [[ "$COMP_WORDBREAKS" == *:* && "$current" == *:* ]] && last="${current%"${current##*:}"}"
    [[ "$COMP_WORDBREAKS" == *=* && "$current" == *=* ]] && {
        local equals="${current%"${current##*=}"}"
        ((${#equals} > ${#last})) && last="$equals"
    }
    COMPREPLY=("${COMPREPLY[@]#"$last"}")
    ((${#COMPREPLY[@]})) || compopt -o default 2>/dev/null
}
complete -F _plugrun plugrun
"""

_ZSH = """\
#compdef plugrun
# zsh completion for plugrun: put this into a folder of $fpath as _plugrun, or:
# source <(plugrun completion zsh)
_plugrun() {
    local -a found
    found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=("${(@)found:#}")
    if ((${#found})); then
        compadd -- "${found[@]}"
    else
        _files
    fi
}
if [ "$funcstack[1]" = "_plugrun" ]; then
    _plugrun "$@"
else
    compdef _plugrun plugrun
fi
"""

_FISH = """\
# fish completion for plugrun: put this into ~/.config/fish/completions/plugrun.fish, or:
# plugrun completion fish | source
function __plugrun_candidates
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    $before[1] __complete $before[2..] $current 2>/dev/null
end
complete -c plugrun -f -a '(__plugrun_candidates)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
