#!/usr/bin/env bash
# Checks the model of the refresh transaction: runs that must hold, and mutations in which the checker must find a fault.
# Needs spin and gcc (Debian: apt-get install spin gcc). One line per run, with its count of states; ends with 1 where one
# is not as expected. A pattern as an argument plays the runs that match it.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
only=${1:-.}
for tool in spin gcc; do
  command -v "$tool" >/dev/null || { echo "docs/model: skipped, because $tool is not installed (Debian: apt-get install spin gcc)"; exit 0; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0 runs=0 total=0

# play hold|fail NAME OPTIONS...: `fail` must end with a violated assertion of the model, and not otherwise.
play() {
  local expect=$1 what=$2 errors states verdict
  shift 2
  [[ "$what $*" =~ $only ]] || return 0
  local in=$work/$((++runs))
  mkdir "$in"
  if ! (cd "$in" && spin -a "${@/#/-D}" "$here/refresh.pml" >spin.log 2>&1 &&
    gcc -O0 -w -DSAFETY -DCOLLAPSE -DNOREDUCE -DNOFAIR -DMEMLIM=1500 -DVECTORSZ=1024 -o pan pan.c); then
    echo "FAILED  $what: it does not build"; cat "$in/spin.log"; bad=1; return
  fi
  (cd "$in" && timeout 120 ./pan -m100000 -w20 >log 2>&1)
  errors=$(grep -oE 'errors: [0-9]+' "$in/log" | cut -d' ' -f2)
  states=$(awk '/states, stored/ { print $1 }' "$in/log")
  verdict=hold
  grep -q 'assertion violated' "$in/log" && verdict=fail
  # A search that was cut short, or that ends in a deadlock, says nothing.
  grep -qE 'max search depth|out of memory|VECTORSZ|^pan:.*invalid end' "$in/log" && verdict=incomplete
  [ -n "$errors" ] && { [ "$errors" = 0 ] || [ $verdict != hold ]; } || verdict=incomplete
  if [ $verdict = "$expect" ]; then verdict="ok    "; else verdict="FAILED, $verdict:"; bad=1; fi
  total=$((total + ${states:-0}))
  printf '%s  %-4s %9s states  %s  (%s)\n' "$verdict" "$expect" "${states:-?}" "$what" "$*"
  rm -rf "$in"
}

echo "-- what must hold"
play hold "callers, expiry, waits that time out" N=2 CALLS=2 EXPIRE=2 LTO=1
play hold "three processes, a crash" N=3 CRASHES=1
play hold "crashes, lost and late requests" N=2 CRASHES=1 LOSS=1 LATE=1
play hold "lost requests, failing calls" N=2 LOSS=2 FAIL=2 LATE=1
play hold "failing calls" N=2 CALLS=2 FAIL=2
play hold "writes that arrive and are reported as failed" N=2 CALLS=2 ARRIVED=2
play hold "nothing can be written for a while" N=2 CALLS=2 ALL_DOWN=1
play hold "429 after a lost request" N=2 TRANSIENT=2 CRASHES=1 FAIL=1
play hold "5xx, 429, early refusals, losses" N=2 CALLS=2 GATEWAY=1 TRANSIENT=1 EARLY=1 AGING=1 LOSS=1
play hold "unrotated answers" N=2 CALLS=2 UNROTATED=2 FAIL=1 EXPIRE=1
play hold "an unrotated answer that is stored late, lost requests" N=2 CALLS=2 UNROTATED=1 LOSS=2 FAIL=1 EXPIRE=1
play hold "unrotated answers in a store without times" N=2 CALLS=2 UNROTATED=2 FAIL=1 FORGETS=2
play hold "rejected tokens" N=2 REJECT=1 CALLS=2 EXPIRE=1
play hold "a foreign login" N=2 CALLS=2 F_LOGIN=1 EXPIRE=1
play hold "a foreign login of another account" N=2 CALLS=2 F_ACCOUNT=1 FAIL=1
play hold "a program that refreshes by itself" N=2 CALLS=2 F_REFRESH=1 LOSS=1
play hold "the same, and a provider with a grace" N=2 GRACE=1 F_REFRESH=1 EXPIRE=1
play hold "a restored record" N=2 CALLS=2 F_RESTORE=1 EXPIRE=1
play hold "a restored record, failing calls" N=1 CALLS=2 F_RESTORE=1 EXPIRE=1 FAIL=2
play hold "5xx, then another login, then the first record again" N=1 CALLS=2 GATEWAY=1 F_LOGIN=1 F_RESTORE=1 EXPIRE=1 IGNORE=16384
play hold "a record that is away for a moment" N=1 CALLS=2 F_AWAY=1 FAIL=2
play hold "a logout while the record is away" N=1 CALLS=2 F_AWAY=1 LOGOUT=1 FAIL=2
play hold "a logout while the record is away, two processes" N=2 F_AWAY=1 LOGOUT=1 FAIL=1
play hold "a login, crashes" N=2 LOGIN=1 CRASHES=1 FAIL=1
play hold "a login of another account, a logout" N=2 LOGIN=2 LOGOUT=1
play hold "an import of the stored token" N=2 IMPORT=1 CRASHES=1 FAIL=1
play hold "an import of an exchanged token" N=1 CALLS=2 IMPORT=2 EXPIRE=1 FAIL=1
play hold "a fleet: an overtaken holder, losses" N=2 FLEET=1 OVERTAKE=2 LOSS=1 AGING=1
play hold "a fleet: an overtaken holder, failing calls" N=2 CALLS=2 FLEET=1 OVERTAKE=1 FAIL=1
play hold "a fleet: three processes" N=3 FLEET=1 OVERTAKE=1
play hold "a fleet with spools: late answers" N=2 CALLS=2 FLEET=2 OVERTAKE=1 LOSS=1 AGING=1
play hold "a fleet with spools: failing calls" N=2 FLEET=2 OVERTAKE=1 FAIL=1
play hold "a fleet with spools: a host that dies" N=2 FLEET=2 OVERTAKE=1 CRASHES=1 LATE=1

echo "-- what must fail"
play fail "no lock" N=2 M_NO_LOCK=1
play fail "no intent" N=3 CRASHES=2 IGNORE=2048 M_NO_INTENT=1
play fail "no capture" N=2 CRASHES=1 M_NO_CAPTURE=1
play fail "no compare-and-swap" N=2 F_LOGIN=1 M_NO_CAS=1
play fail "published before it is stored" N=1 M_EARLY_PUBLISH=1
play fail "kept answer removed before the answer is stored" N=2 CRASHES=1 M_DISCARD_FIRST=1
play fail "a login settles the journal first" N=2 LOGIN=1 CRASHES=2 M_SETTLE_FIRST=1
play fail "429 forgets the unknown outcome before" N=2 CALLS=2 LOSS=2 TRANSIENT=1 M_CLEAR_ON_429=1
play fail "the retry is not counted" N=2 CALLS=2 LOSS=3 M_UNCOUNTED=1
play fail "no last look before the intent" N=1 F_REFRESH=1 M_NO_REREAD=1
play fail "an unrotated answer over a newer record" N=2 CALLS=2 UNROTATED=2 FAIL=1 EXPIRE=1 M_OUTDATED=1
play fail "an answer that is stored late forgets what was sent since" N=2 CALLS=2 UNROTATED=1 LOSS=2 FAIL=1 EXPIRE=1 M_CLEAR_KEPT=1
play fail "a refresh that only stores serves" N=2 CALLS=2 UNROTATED=2 FAIL=1 EXPIRE=2 M_SERVE_STORAGE=1
play fail "kept answer removed, journal not written" N=1 CALLS=2 F_RESTORE=1 FAIL=2 M_DISCARD_UNSETTLED=1
play fail "a restored token stays where an answer comes" N=1 CALLS=2 F_RESTORE=1 EXPIRE=1 M_SNAPSHOT_PERSIST=1
play fail "a kept answer does not belong to a restored token" N=1 CALLS=3 F_RESTORE=1 EXPIRE=1 FAIL=1 M_SNAPSHOT_KEPT=1
play fail "ours is revoked, theirs is of its family" N=1 GRACE=1 F_REFRESH=1 M_REVOKE=1
play fail "an absent record costs the kept answer" N=1 CALLS=2 F_AWAY=1 FAIL=2 M_ABSENT=1
play fail "a logout of an absent record is silent" N=1 CALLS=2 F_AWAY=1 LOGOUT=1 FAIL=2 M_LOGOUT_SILENT=1
play fail "the tenant is released with the answer in memory alone" N=2 ALL_DOWN=1 CALLS=2 M_RELEASE=1
play fail "an exchanged token is imported" N=1 IMPORT=2 M_IMPORT=1
play fail "an exchanged token is imported before the journal is settled" N=1 IMPORT=2 EXPIRE=1 FAIL=2 M_UNABSORBED=1
play fail "a refused retry that cannot be read again is not spent" N=1 CALLS=2 LOSS=1 FAIL=1 M_UNREAD_REFUSAL=1
play fail "an intent whose write failed stays" N=2 CALLS=2 ARRIVED=2 M_KEEP_BEGUN=1
play fail "5xx retires its token" N=1 CALLS=2 GATEWAY=1 F_LOGIN=1 F_RESTORE=1 EXPIRE=1 IGNORE=16384 M_RETIRE_AMBIGUOUS=1
play fail "no fence" N=2 FLEET=1 OVERTAKE=1 M_NO_FENCE=1
play fail "the store refuses a late answer" N=2 FLEET=2 OVERTAKE=1 M_FENCED_COMMIT=1
play fail "what is known of an overtaken holder is forgotten" N=3 FLEET=1 OVERTAKE=1 M_LAST_HOLDER=1
play fail "an answer that another host has is given up" N=2 FLEET=2 OVERTAKE=1 LOSS=1 M_LOST_AT_ONCE=1
play fail "an overtaken holder is not waited for" N=2 FLEET=1 OVERTAKE=1 M_NO_WAIT=1

echo "-- $runs runs, $total states"
exit $bad
