# shellcheck shell=bash
# Shared by scripts/install and scripts/uninstall: the prefix, and the list of what was made, one a line:
# "file PATH" or "folder PATH", without DESTDIR. Folders that were there before are not in it.

# Sets prefix, root (DESTDIR without a slash at its end) and manifest.
read_prefix() {
  prefix=/usr/local
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix) [ $# -ge 2 ] || die "--prefix needs a folder"; prefix=$2; shift 2 ;;
      --prefix=*) prefix=${1#--prefix=}; shift ;;
      *) die "unknown argument: $1" "usage: $0 [--prefix DIR]" ;;
    esac
  done
  prefix=${prefix%/}
  [[ $prefix =~ ^(/[A-Za-z0-9._+-]+)+$ && /$prefix/ != */../* ]] ||
    die "the prefix must be an absolute path of letters, digits and ._+-" "for example --prefix /usr/local"
  root=${DESTDIR:-}
  root=${root%/}
  [ -z "$root" ] || [ "${root#/}" != "$root" ] || root=$PWD/$root
  manifest=$root$prefix/share/secretfs/installed
}

# A list that somebody else wrote could name anything.
check_manifest() {
  local kind path
  while read -r kind path; do
    case $kind in file | folder) ;; *) die "$1 is damaged: $kind" ;; esac
    [[ $path == "$prefix"/* && /$path/ != */../* ]] || [[ $kind == folder && $prefix/ == "$path"/* ]] ||
      die "$1 names $path, which is not below $prefix"
  done <"$1"
}

begin_manifest() {
  files=()
  folders=()
  old_files=()
  if [ -f "$manifest" ]; then
    check_manifest "$manifest"
    mapfile -t old_files < <(sed -n 's/^file //p' "$manifest")
    mapfile -t folders < <(sed -n 's/^folder //p' "$manifest")
  fi
  make_folder "$(dirname "${manifest#"$root"}")"
}

# Makes a folder and what is missing above it, and remembers those that it made.
make_folder() {
  [ ! -d "$root$1" ] || return 0
  [ "$1" = / ] || make_folder "$(dirname "$1")"
  mkdir -m 0755 "$root$1"
  folders+=("$1")
}

# put MODE SOURCE PATH-BELOW-THE-PREFIX: under a temporary name first, so that a program that runs is replaced and
# never written into.
put() {
  local target=$prefix/$3
  make_folder "$(dirname "$target")"
  install -m "$1" -- "$2" "$root$target.new"
  mv -f -- "$root$target.new" "$root$target"
  files+=("$target")
}

# Writes the list, and removes what an older version had and this one has not.
end_manifest() {
  local old
  for old in "${old_files[@]}"; do
    [[ " ${files[*]} " == *" $old "* ]] || rm -f -- "$root$old"
  done
  {
    printf 'folder %s\n' "${folders[@]}"
    printf 'file %s\n' "${files[@]}"
  } >"$manifest.new"
  mv -f -- "$manifest.new" "$manifest"
}
