# Read by the shell that ask-zsh.zsh types into: Tab completes as always, and tells what matched.
unsetopt zle_bracketed_paste
fpath=($FOLDER $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {
  local -a matched
  builtin compadd -A matched "$@"
  (( $#matched )) && print -rl -- $matched >> $OUT
  builtin compadd "$@"
}
told() { print -r -- '=end' >> $OUT }
tab() { comppostfuncs=(told); zle complete-word }
zle -N tab
bindkey '^I' tab
# Not as it is typed: the terminal shows that too.
print -r -- READY-$(( 40 + 2 ))
