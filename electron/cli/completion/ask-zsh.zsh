# What Tab offers in an interactive zsh with the completion of folder $1, after
# the line $2: each match on a line of file $3, then "=end".
emulate -R zsh
zmodload zsh/zpty
export FOLDER=$1 OUT=$3 TERM=dumb
zpty shell zsh -f -i
# "compinit" keeps its dump in a file, and puts another in place of whatever has
# that name: so none is named here, and -D asks for none.
zpty -w shell "source ${(q)0:A:h}/tab.zsh"
while zpty -r shell line; do [[ $line == *READY-42* ]] && break; done
zpty -n -w shell "$2"$'\t'
for try in {1..200}; do
  [[ -f $OUT && "$(<$OUT)" == *=end* ]] && break
  sleep 0.05
done
zpty -d shell
