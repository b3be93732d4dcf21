/*
 * The refresh transaction, for the model checker Spin: every interleaving of a few processes, with the faults that a
 * run allows. `check.sh` plays the runs; README.md says how to read this file and what is left out.
 *
 * It mirrors, and has to be changed together with:
 *
 *   packages/core/src/Refresh.ts                      Refresher: the order of the steps, begin again once
 *   packages/core/src/RefreshCoordinator.ts           Lcall, Lafter: what a caller demands, and what it is served after all
 *   packages/core/src/Verdict.ts                      Ldecide, BELONGS
 *   packages/core/src/Custody.ts, LockedCustody.ts    Lhold, Lbegin, store first and journal second and answer last
 *   packages/core/src/MemoryCustody.ts                FLEET: the fence, the commit that is not fenced
 *   packages/core/src/internal/refresh/lockedRead.ts  Lread, Ldiscard
 *   packages/core/src/internal/refresh/redeem.ts      Lprepare, Lbegin, Lsend, Lwait, Lcapture
 *   packages/core/src/internal/refresh/notGranted.ts  what follows Lwait
 *   packages/core/src/internal/refresh/persist.ts     Lpersist, Lsettle
 *   packages/core/src/internal/refresh/retain.ts      Lretain
 *   packages/core/src/internal/journalChange.ts       counts, absorb, retireIntent
 *   packages/core/src/internal/answer.ts              OUTDATED, WROTE
 *   packages/core/src/internal/login.ts, logout.ts, replacing.ts   Login, Import, Logout
 *
 * One atomic block is one call of a port. Refresh tokens are numbered in the order of issue, access tokens likewise, so
 * that a greater access token was obtained later. Token 1 is what the store begins with.
 */

/* ---- what a run allows: see README.md ------------------------------------------------------------------------------ */
#ifndef N
#define N 2            /* processes that refresh */
#endif
#ifndef CALLS
#define CALLS 1        /* calls of each, one after the other; then it closes */
#endif
#ifndef LTO
#define LTO 0          /* 1: a wait for the tenant may time out */
#endif
#ifndef EXPIRE
#define EXPIRE 0       /* how often all access tokens age or expire */
#endif
#ifndef AGING
#define AGING 0        /* 1: the first access token is inside the margin, and has not expired */
#endif
#ifndef REJECT
#define REJECT 0       /* calls with a rejected access token */
#endif
#ifndef CRASHES
#define CRASHES 0      /* kill -9 of whatever process */
#endif
#ifndef LOSS
#define LOSS 0         /* requests or answers that are lost or cut */
#endif
#ifndef LATE
#define LATE 0         /* 1: a request whose sender is gone may still arrive */
#endif
#ifndef FAIL
#define FAIL 0         /* single calls of the store, the journal or the answer file that fail */
#endif
#ifndef ARRIVED
#define ARRIVED 0      /* writes that are reported as failed and arrived */
#endif
#ifndef JOURNAL_DOWN
#define JOURNAL_DOWN 0 /* 1: the journal cannot be written for a while */
#endif
#ifndef ALL_DOWN
#define ALL_DOWN 0     /* 1: journal, answer file and store cannot be written for a while */
#endif
#ifndef TRANSIENT
#define TRANSIENT 0    /* 429, never sent, a rejection: nothing is consumed */
#endif
#ifndef GATEWAY
#define GATEWAY 0      /* 5xx, consumed or not */
#endif
#ifndef EARLY
#define EARLY 0        /* invalid_grant, and nothing is consumed */
#endif
#ifndef UNROTATED
#define UNROTATED 0    /* answers that leave the refresh token as it was */
#endif
#ifndef GRACE
#define GRACE 0        /* 1: a consumed token whose successor is unused is granted once more */
#endif
#ifndef FORGETS
#define FORGETS 0      /* the store has no place 1: for the attempt 2: for the time of issue either */
#endif
#ifndef LOGIN
#define LOGIN 0        /* a login, of 1 the same account 2 another */
#endif
#ifndef LOGOUT
#define LOGOUT 0
#endif
#ifndef IMPORT
#define IMPORT 0       /* an import that may replace, of 1 the stored refresh token 2 the first one */
#endif
/* programs without our locks */
#ifndef F_LOGIN
#define F_LOGIN 0      /* a new login of the same account */
#endif
#ifndef F_ACCOUNT
#define F_ACCOUNT 0    /* a login of another account */
#endif
#ifndef F_REMOVE
#define F_REMOVE 0
#endif
#ifndef F_RESTORE
#define F_RESTORE 0    /* the first record is put back */
#endif
#ifndef F_STALE
#define F_STALE 0      /* reads, and later writes back what it read */
#endif
#ifndef F_REFRESH
#define F_REFRESH 0    /* refreshes by itself and stores it */
#endif
#ifndef F_AWAY
#define F_AWAY 0       /* the record is absent for a moment */
#endif
/* a fleet: locks do not die with their holder, and the engine may take the tenant from one */
#ifndef FLEET
#define FLEET 0        /* 1: one kept answer for all (MemoryCustody) 2: one for each host (a spool) */
#endif
#ifndef OVERTAKE
#define OVERTAKE 0     /* how often the tenant is taken from its holder */
#endif

/* ---- mutations: each takes one guard away, and the checker must find what it is for ---------------------------------- */
#ifndef M_NO_LOCK
#define M_NO_LOCK 0
#endif
#ifndef M_NO_INTENT
#define M_NO_INTENT 0
#endif
#ifndef M_NO_CAPTURE
#define M_NO_CAPTURE 0
#endif
#ifndef M_NO_CAS
#define M_NO_CAS 0
#endif
#ifndef M_EARLY_PUBLISH
#define M_EARLY_PUBLISH 0      /* callers see a token before it is stored */
#endif
#ifndef M_DISCARD_FIRST
#define M_DISCARD_FIRST 0      /* the kept answer is removed before the answer is stored */
#endif
#ifndef M_SETTLE_FIRST
#define M_SETTLE_FIRST 0       /* a login settles the journal before it writes the store */
#endif
#ifndef M_CLEAR_ON_429
#define M_CLEAR_ON_429 0       /* a retry that was answered 429 forgets the unknown outcome before it */
#endif
#ifndef M_UNCOUNTED
#define M_UNCOUNTED 0          /* the retry is not counted */
#endif
#ifndef M_NO_REREAD
#define M_NO_REREAD 0          /* the record is not read again before the intent */
#endif
#ifndef M_OUTDATED
#define M_OUTDATED 0           /* an unrotated answer is written over a newer record */
#endif
#ifndef M_CLEAR_KEPT
#define M_CLEAR_KEPT 0         /* a kept answer that is stored late clears what was learned of its token since */
#endif
#ifndef M_SERVE_STORAGE
#define M_SERVE_STORAGE 0      /* a refresh that only stores serves what it finds */
#endif
#ifndef M_LOGOUT_SILENT
#define M_LOGOUT_SILENT 0      /* a logout of an absent record removes the kept answer without a word in the journal */
#endif
#ifndef M_DISCARD_UNSETTLED
#define M_DISCARD_UNSETTLED 0  /* the kept answer is removed although the journal was not written */
#endif
#ifndef M_SNAPSHOT_PERSIST
#define M_SNAPSHOT_PERSIST 0   /* a restored, exchanged token is not written over when an answer comes */
#endif
#ifndef M_SNAPSHOT_KEPT
#define M_SNAPSHOT_KEPT 0      /* a kept answer does not belong to a restored, exchanged token */
#endif
#ifndef M_REVOKE
#define M_REVOKE 0             /* ours is revoked where another token of the same account is stored */
#endif
#ifndef M_ABSENT
#define M_ABSENT 0             /* an absent record costs the kept answer */
#endif
#ifndef M_RELEASE
#define M_RELEASE 0            /* the tenant is released although nothing but memory has the answer */
#endif
#ifndef M_IMPORT
#define M_IMPORT 0             /* an exchanged token is imported over a living one */
#endif
#ifndef M_UNREAD_REFUSAL
#define M_UNREAD_REFUSAL 0     /* a refused retry whose re-read fails is not spent */
#endif
#ifndef M_KEEP_BEGUN
#define M_KEEP_BEGUN 0         /* an intent whose write failed is not put back */
#endif
#ifndef M_RETIRE_AMBIGUOUS
#define M_RETIRE_AMBIGUOUS 0   /* a 5xx retires its token when another record is there */
#endif
#ifndef M_NO_FENCE
#define M_NO_FENCE 0           /* the intent of an overtaken holder is not refused */
#endif
#ifndef M_FENCED_COMMIT
#define M_FENCED_COMMIT 0      /* the answer of an overtaken holder is refused by the store */
#endif
#ifndef M_NO_WAIT
#define M_NO_WAIT 0            /* the request of an overtaken holder is not waited for */
#endif
#ifndef M_LAST_HOLDER
#define M_LAST_HOLDER 0        /* what is known of an overtaken holder ends with the next orderly release */
#endif
#ifndef M_LOST_AT_ONCE
#define M_LOST_AT_ONCE 0       /* `consumed` without a kept answer is RotationLost while another host may have it */
#endif
#ifndef M_UNABSORBED
#define M_UNABSORBED 0         /* an import is judged by the journal as it was read, and not as absorbed */
#endif

/* ---- what must hold -------------------------------------------------------------------------------------------------- */
#define ONE_REQUEST 0   /* I1: one request at a time among all processes of ours */
#define ONE_RETRY 1     /* I1, I7: a token is sent twice at most without an answer */
#define NO_REPLAY 2     /* I7: never sent when journal or answer file says that it is consumed */
#define KEPT_ONCE 3     /* I7: nor when an answer file has said so once */
#define NO_FAULT 4      /* where no fault happens, no token is sent twice */
#define DURABLE 5       /* I3: what is served was stored */
#define UNEXPIRED 6     /* what is served has not expired */
#define NEWER 7         /* I4: an older access token is never written over a newer one of the same refresh token */
#define OVER_OURS 8     /* I4: written only over the token that was redeemed, or over an exchanged one */
#define REUSE 9         /* a reuse of ours never ends the family whose newest token is stored */
#define REVOCATION 10   /* a revocation of ours never ends a login that is stored or that could be */
#define HONEST 11       /* OutcomeUnknown only of a token that was sent */
#define BLAMELESS 12    /* a login is demanded only after a fault, a login or a logout */
#define ENDS 13         /* every call ends with a token or an error */
#define ALIVE_AT_END 14 /* at the end the login lives, unless nothing could have saved it */
#define OPEN_AT_END 15  /* at the end a living token is not refused by us */
#define LIVING_NOT_RETIRED 16 /* at the end a living token does not count as exchanged */
#ifndef IGNORE
#define IGNORE 0        /* bits of what is not checked in this run */
#endif
#define MUST(k, c) assert(((IGNORE >> k) & 1) || (c))

#define NONE 255
#define ACTORS (N + 4)  /* processes, login, logout, import, programs without our locks */
#define T 8             /* refresh tokens */
#define BIT(t) (1 << (t))

/* requests */
#define IDLE 0
#define SENT 1
#define ANSWERED 2
/* answers */
#define A_GRANTED 1
#define A_TERMINAL 2
#define A_TRANSIENT 3
#define A_GATEWAY 4
#define A_UNKNOWN 5
/* how a call ended */
#define SERVED 1
#define LOCK_TIMEOUT 2
#define REMOVED 3
#define OUTCOME_UNKNOWN 4
#define INVALID_GRANT 5
#define UNAVAILABLE 6
#define NOT_PERSISTED 7
#define SUPERSEDED 8
#define ROTATION_LOST 9
#define STALE 10
#define STORE_ERROR 11
#define NO_ANSWER 12
/* demands */
#define EXPIRY 0
#define REJECTED 1
#define STORAGE 2
/* intents */
#define SENDING 1
#define CONSUMED 2
/* how a commit ended */
#define WRITTEN 1
#define THEIRS 2
#define OTHER_ACCOUNT 3
#define GONE 4

byte lock = NONE;
/* How the next one takes the tenant: 0 free, dead. 1 lost, overdue, stranded: the holder before may live. */
bit mayLive;
/* A holder that was taken for stranded although it lives: no wait accounts for it. */
bit beyond[N];
/* The token that a process has sent and whose answer it has not dealt with. */
byte busy[N];
/* A process has read an answer that nothing but its memory has. */
bit holds[N];

/* the record: refresh token, access token, last_redeem, account */
bit s_present = 1; byte s_tok = 1, s_acc = 1, s_att, s_acct = 1;
/* the journal: intent, last_redeem, mark, rest, retired (a set) */
byte j_int, j_tok, j_att, j_sends, j_last, j_mark, j_rest, j_ret;
/* the kept answer: 1 room, 2 an answer */
#if FLEET == 2
#define AT(p) p
byte f_kind[ACTORS], f_att[ACTORS], f_fp[ACTORS], f_tok[ACTORS], f_acc[ACTORS];
#else
#define AT(p) 0
byte f_kind[1], f_att[1], f_fp[1], f_tok[1], f_acc[1];
#endif
/* an answer that is in the memory of a process alone */
byte u_att[N], u_fp[N], u_tok[N], u_acc[N];

/* the provider */
byte tokens = 2, families = 2, fam[T], parent[T]; bit consumed[T], used[T], revoked[6];
byte net[N], netTok[N], netKind[N], netNew[N], netAcc[N];
byte late[T];                         /* requests on their way whose sender is gone */

byte attempts, accs = 1, aged = 1, expired = (AGING -> 0 : 1);
bit dead[ACTORS], done[ACTORS];
byte res[N];

byte failB = FAIL, arrivedB = ARRIVED, lossB = LOSS, transB = TRANSIENT, gateB = GATEWAY, earlyB = EARLY,
     unrotB = UNROTATED, rejectB = REJECT;
bit journalDown, allDown;

/* ghosts: what only the checker knows */
bit fault, excused, replaced, loggedOut, removed;
byte stored;                          /* access tokens that were ever stored (a set) */
byte sentTimes[T], unanswered[T]; bit keptOnce[T], refusedRetry[T];

#define EXPIRED(a) (a <= expired)
#define AGED(a) (a <= aged)
#define ALIVE(t) (t != 0 && !revoked[fam[t]] && !consumed[t])
#define IS_STORED(a) ((stored >> (a)) & 1)
#define RETIRED(t) ((r_ret >> (t)) & 1)
#define FENCE(p) (!FLEET || M_NO_FENCE || lock == p)

#define WROTE(att_) (g_att != 0 && g_att == att_)
/* Answer.isOutdated: the answer left its refresh token as it was, and the record was obtained later; where the store keeps
   no times, the journal tells that a later attempt wrote it. */
#define OUTDATED(att_, tok_, acc_, r_tok_, r_acc_, r_att_) \
  (!M_OUTDATED && tok_ == r_tok_ && !(r_att_ != 0 && r_att_ == att_) && (FORGETS == 2 -> r_last > att_ : r_acc_ > acc_))
/* A kept answer was judged, and the stored refresh token is the one that it was given for. */
#define KEPT_TOKEN (recovered && ((outcome == WRITTEN && k_tok == k_fp) || (outcome == THEIRS && s_tok == k_fp)))
/* Verdict.belongs */
#define BELONGS(att_, fp_, tok_, acc_) \
  (fp_ == g_tok -> !OUTDATED(att_, tok_, acc_, g_tok, g_acc, g_att) \
                 : (!M_SNAPSHOT_KEPT && RETIRED(g_tok) && !WROTE(att_) && r_last != att_))

inline serve(a_) { MUST(DURABLE, IS_STORED(a_)); MUST(UNEXPIRED, !EXPIRED(a_)) }
/* What was granted just now is served even where it ran out while it was stored. */
inline serveNew(a_) { MUST(DURABLE, IS_STORED(a_)) }
inline clearIntent() { r_int = 0; r_tok = 0; r_att = 0; r_sends = 0 }
inline setIntent(i_, t_, a_, n_) { r_int = i_; r_tok = t_; r_att = a_; r_sends = n_ }
inline readJournal() {
  r_int = j_int; r_tok = j_tok; r_att = j_att; r_sends = j_sends; r_last = j_last; r_mark = j_mark; r_rest = j_rest; r_ret = j_ret
}
inline writeJournal() {
  j_int = r_int; j_tok = r_tok; j_att = r_att; j_sends = r_sends; j_last = r_last; j_mark = r_mark; j_rest = r_rest; j_ret = r_ret
}
/* Held.note, best effort: fenced, and it may fail. */
inline note() {
  if
  :: FENCE(p) && !journalDown && !allDown -> writeJournal(); ok = 1
  :: FENCE(p) && (journalDown || allDown) -> ok = 0
  :: FENCE(p) && failB > 0 -> failB--; fault = 1; ok = 0
  :: !FENCE(p) -> ok = 0
  fi
}
/* Removes the kept answer or the room; best effort. */
inline discard() {
  if
  :: f_kind[AT(p)] = 0; f_att[AT(p)] = 0; f_fp[AT(p)] = 0; f_tok[AT(p)] = 0; f_acc[AT(p)] = 0
  :: failB > 0 && f_kind[AT(p)] != 0 -> failB--; fault = 1
  fi
}
inline retireIntent() {
  if :: r_int == CONSUMED || (r_int == SENDING && (r_sends > 0 || M_RETIRE_AMBIGUOUS)) -> r_ret = r_ret | BIT(r_tok) :: else fi
}
inline forgetMemory(q) { u_att[q] = 0; u_fp[q] = 0; u_tok[q] = 0; u_acc[q] = 0 }
inline holdInMemory(q) { u_att[q] = k_att; u_fp[q] = k_fp; u_tok[q] = k_tok; u_acc[q] = k_acc }
inline release() { if :: lock == p -> lock = NONE; mayLive = 0 :: else fi }
inline put(t_, a_, at_, ac_) { s_present = 1; s_tok = t_; s_acc = a_; s_att = at_; s_acct = ac_; stored = stored | BIT(a_) }
inline take_out() { s_present = 0; s_tok = 0; s_acc = 0; s_att = 0; s_acct = 0 }
inline issue(fam_, par_, nt_) { assert(tokens < T); nt_ = tokens; fam[nt_] = fam_; parent[nt_] = par_; tokens++ }
inline spend(t_) { consumed[t_] = 1; if :: parent[t_] != 0 -> used[parent[t_]] = 1 :: else fi }

/* The provider sees the refresh token t; `ours`: of one of our processes. */
inline provide(t_, ours_, kind_, nt_, na_) {
  nt_ = 0; na_ = 0;
  if
  :: revoked[fam[t_]] -> kind_ = A_TERMINAL
  :: !revoked[fam[t_]] && consumed[t_] && !(GRACE && !used[t_]) ->
       /* A program that refreshes by itself between our last look and our request: no lock of ours_ keeps it out. */
       if :: F_REFRESH && ours_ && !moved -> excused = 1 :: else fi;
       MUST(REUSE, excused || !ours_ || !(s_present && fam[s_tok] == fam[t_] && !consumed[s_tok]));
       MUST(NO_FAULT, fault || !ours_ || F_REFRESH || F_RESTORE || F_STALE);
       revoked[fam[t_]] = 1; kind_ = A_TERMINAL
  :: !revoked[fam[t_]] && consumed[t_] && GRACE && !used[t_] -> issue(fam[t_], t_, nt_); accs++; na_ = accs; kind_ = A_GRANTED
  :: !revoked[fam[t_]] && !consumed[t_] ->
       if
       :: spend(t_); issue(fam[t_], t_, nt_); accs++; na_ = accs; kind_ = A_GRANTED
       :: ours_ && unrotB > 0 -> unrotB--; nt_ = t_; accs++; na_ = accs; kind_ = A_GRANTED
       :: ours_ && earlyB > 0 -> earlyB--; fault = 1; kind_ = A_TERMINAL
       :: ours_ && transB > 0 -> transB--; kind_ = A_TRANSIENT
       :: ours_ && gateB > 0 -> gateB--; fault = 1; kind_ = A_GATEWAY
       :: ours_ && gateB > 0 -> gateB--; fault = 1; excused = 1; kind_ = A_GATEWAY; spend(t_); issue(fam[t_], t_, nt_); nt_ = 0
       fi
  fi
}
/* A revocation of ours ends the family of t. */
inline revoke(t_) {
  MUST(REVOCATION, excused || !(s_present && fam[s_tok] == fam[t_] && (ALIVE(s_tok) || ALIVE(t_))));
  revoked[fam[t_]] = 1
}
bit moved;   /* the token that is sent was not the stored one at the last look */

#define MEETS (s_present && s_acct == hacct && !AGED(s_acc) && s_acc != other)
#define OTHERS(q) (q < N && q != p && !beyond[q])
/* Time has passed until no request of an overtaken holder can be alive; and, while the access token is valid, until its answer has come. */
#define AT_WORK(q) (OTHERS(q) && (busy[q] == g_tok || (!EXPIRED(g_acc) && ((u_att[q] != 0 && u_fp[q] == g_tok) || (FLEET == 2 && f_kind[AT(q)] == 2 && f_fp[AT(q)] == g_tok)))))
#define HAS(q) (OTHERS(q) && (busy[q] == g_tok || (u_att[q] != 0 && u_fp[q] == g_tok) || (FLEET == 2 && f_kind[AT(q)] == 2 && f_fp[AT(q)] == g_tok)))
/* A stopped process that was given up may wake with its answer: the residual risk of a fleet. */
#define BEYOND (FLEET && ((p != 0 && beyond[0]) || (N > 1 && p != N - 1 && beyond[N - 1]) || (N > 2 && p != 1 && beyond[1])))
#if N > 2
#define WAITED (!AT_WORK(0) && !AT_WORK(1) && !AT_WORK(2))
#define RETURNED (!HAS(0) && !HAS(1) && !HAS(2))
#elif N > 1
#define WAITED (!AT_WORK(0) && !AT_WORK(1))
#define RETURNED (!HAS(0) && !HAS(1))
#else
#define WAITED true
#define RETURNED true
#endif

proctype Refresher(byte p) {
  byte n, hacct, other, rejected, purpose;   /* the call: account and token that it set out with, what it does not want */
  bit err, again, begunAgain, ok, unsure, away, recovered, settled, landed, retained;
  byte r_int, r_tok, r_att, r_sends, r_last, r_mark, r_rest, r_ret;
  byte g_tok, g_acc, g_att, g_acct;          /* the record as it was read under the lock */
  byte k_att, k_fp, k_tok, k_acc;            /* the answer that is dealt with */
  byte prev, attempt, kind, outcome, found;  /* sends of the intent before */
  { skip;
Lcall:
    atomic { n++; res[p] = 0; again = 0; rejected = 0;
      if
      :: n <= CALLS && rejectB > 0 && s_present -> rejectB--; rejected = s_acc
      :: true
      fi };
Lobtain:                                     /* RefreshCoordinator.obtain, and storeAtClose after the last call */
    atomic { err = 0;
      if
      :: !s_present -> res[p] = REMOVED; goto Lend
      :: else
      fi;
      hacct = s_acct; other = rejected; purpose = (rejected != 0 -> REJECTED : EXPIRY);
      if
      :: n > CALLS -> purpose = STORAGE; other = s_acc
      :: n <= CALLS && !AGED(s_acc) && s_acc != rejected ->
           if
           :: u_att[p] == 0 -> serve(s_acc); res[p] = SERVED; goto Lend
           :: u_att[p] != 0 && rejected == 0 -> purpose = (again -> EXPIRY : STORAGE); other = s_acc
           :: u_att[p] != 0 && rejected != 0
           fi
      :: else
      fi };
Lhold:                                       /* Custody.hold: look, try once */
    atomic {
      if
      :: s_present && s_acct != hacct -> res[p] = SUPERSEDED; goto Lend
      :: MEETS -> found = s_acc; if :: n <= CALLS && purpose != STORAGE -> serve(s_acc) :: else fi; goto Lfound
      :: !(s_present && s_acct != hacct) && !MEETS && (lock == NONE || M_NO_LOCK) ->
           unsure = (M_LAST_HOLDER -> mayLive : FLEET > 0);
           if :: !M_NO_LOCK -> lock = p; mayLive = 0 :: else fi
      :: LTO && !(s_present && s_acct != hacct) && !MEETS && lock != NONE -> res[p] = LOCK_TIMEOUT; err = 1; goto Lafter
      fi };
Lread:                                       /* Held.read and what the journal absorbs of it */
    atomic { readJournal();
      k_att = 0; k_fp = 0; k_tok = 0; k_acc = 0; recovered = 0; prev = 0; kind = 0; outcome = 0; settled = 0; landed = 0;
      g_tok = (s_present -> s_tok : 0); g_acc = (s_present -> s_acc : 0); g_acct = (s_present -> s_acct : 0);
      g_att = (s_present && !FORGETS -> s_att : 0);
      if
      :: g_tok == 0 ->
           if
           :: M_ABSENT -> discard(); forgetMemory(p)
           :: else
           fi;
           res[p] = REMOVED; goto Lrelease
      :: else
      fi;
      if
      :: r_int != 0 && r_tok == g_tok && (WROTE(r_att) || (r_att == r_last && r_last != 0)) -> clearIntent()
      :: r_int != 0 && r_tok != g_tok -> retireIntent(); clearIntent()
      :: else
      fi;
      if
      :: f_kind[AT(p)] == 2 && BELONGS(f_att[AT(p)], f_fp[AT(p)], f_tok[AT(p)], f_acc[AT(p)]) ->
           k_att = f_att[AT(p)]; k_fp = f_fp[AT(p)]; k_tok = f_tok[AT(p)]; k_acc = f_acc[AT(p)]
      :: f_kind[AT(p)] == 2 && !BELONGS(f_att[AT(p)], f_fp[AT(p)], f_tok[AT(p)], f_acc[AT(p)]) -> settled = 1
      :: else
      fi;
      away = unsure && !RETURNED; unsure = unsure && !WAITED };
    if
    :: settled -> atomic { settled = 0; note() };
         if :: ok || M_DISCARD_UNSETTLED -> atomic { discard() } :: else fi
    :: else
    fi;
    atomic { ok = 0;
      if
      :: u_att[p] != 0 && BELONGS(u_att[p], u_fp[p], u_tok[p], u_acc[p]) ->
           if :: k_att == 0 -> k_att = u_att[p]; k_fp = u_fp[p]; k_tok = u_tok[p]; k_acc = u_acc[p] :: else fi
      :: u_att[p] != 0 && !BELONGS(u_att[p], u_fp[p], u_tok[p], u_acc[p]) ->
           if
           :: g_acct != hacct || (M_REVOKE && u_tok[p] != u_fp[p] && u_tok[p] != g_tok) -> revoke(u_tok[p])
           :: else
           fi;
           forgetMemory(p)
      :: else
      fi };
Ldecide:                                     /* Verdict.of */
    atomic {
      if
      :: g_acct != hacct -> res[p] = SUPERSEDED; goto Lrelease
      :: g_acct == hacct && !AGED(g_acc) && g_acc != other ->
           found = g_acc; if :: n <= CALLS && purpose != STORAGE -> serve(g_acc) :: else fi; goto Lrelease
      :: else ->
           /* One whose attempt wrote the record is stored already, unless its intent still counts. */
           if
           :: k_att != 0 && (r_int != 0 || !WROTE(k_att)) -> recovered = 1; goto Lpersist
           :: else -> k_att = 0; k_fp = 0; k_tok = 0; k_acc = 0
           fi;
           if
           :: purpose == STORAGE -> found = g_acc; goto Lrelease
           :: purpose != STORAGE && r_int == CONSUMED ->
                if
                :: away && !M_LOST_AT_ONCE -> res[p] = UNAVAILABLE  /* Wait(EarlierRequest): it may bring its answer */
                :: else -> res[p] = ROTATION_LOST; MUST(BLAMELESS, fault)
                fi;
                err = 1; goto Lrelease
           :: purpose != STORAGE && r_int != CONSUMED && RETIRED(g_tok) -> res[p] = STALE; err = 1; goto Lrelease
           :: purpose != STORAGE && r_int != CONSUMED && !RETIRED(g_tok) && r_mark == g_tok ->
                res[p] = INVALID_GRANT; err = 1; MUST(BLAMELESS, fault || loggedOut || replaced || F_REFRESH || F_RESTORE || F_STALE); goto Lrelease
           :: purpose == EXPIRY && r_int != CONSUMED && !RETIRED(g_tok) && r_mark != g_tok && r_rest == g_tok && !EXPIRED(g_acc) ->
                res[p] = UNAVAILABLE; err = 1; goto Lrelease
           :: else
           fi;
           if
           :: r_int == SENDING && r_sends >= 2 ->
                res[p] = OUTCOME_UNKNOWN; err = 1; MUST(BLAMELESS, fault); MUST(HONEST, sentTimes[g_tok] > 0); goto Lrelease
           :: !(r_int == SENDING && r_sends >= 2) && unsure && r_int == SENDING && r_sends > 0 && !M_NO_WAIT ->
                res[p] = UNAVAILABLE; err = 1; goto Lrelease   /* Wait(EarlierRequest) */
           :: else -> prev = (r_int == SENDING -> r_sends : 0)
           fi
      fi };
Lprepare:                                    /* Held.reserve */
    atomic {
      if
      :: FLEET == 1                                          /* an engine that needs no room */
      :: FLEET != 1 -> f_kind[AT(p)] = 1; f_att[AT(p)] = 0; f_fp[AT(p)] = 0; f_tok[AT(p)] = 0; f_acc[AT(p)] = 0
      :: failB > 0 -> failB--; fault = 1; res[p] = STORE_ERROR; err = 1; goto Lroom
      fi };
Lbegin:                                      /* quietTime; then Held.begin, the last look and the intent */
    atomic {
      if :: prev > 0 && late[g_tok] > 0 -> late[g_tok] == 0 :: else fi;
      if
      :: !(s_present && s_tok == g_tok) && !M_NO_REREAD ->
           if :: begunAgain -> res[p] = SUPERSEDED; err = 1; goto Lroom :: else -> begunAgain = 1; goto Lagain fi
      :: else
      fi;
      moved = !(s_present && s_tok == g_tok);
      if :: prev > 0 && BEYOND -> excused = 1 :: else fi;
      if :: !FENCE(p) -> res[p] = SUPERSEDED; err = 1; goto Lroom :: else fi;
      attempts++; attempt = attempts; busy[p] = g_tok;
      if
      :: M_NO_INTENT
      :: !M_NO_INTENT && !journalDown && !allDown ->
           writeJournal(); j_int = SENDING; j_tok = g_tok; j_att = attempt; j_sends = (M_UNCOUNTED -> 1 : prev + 1)
      :: journalDown || allDown -> goto Lunbegun
      :: failB > 0 -> failB--; fault = 1; goto Lunbegun
      :: arrivedB > 0 -> arrivedB--; fault = 1;
           writeJournal(); j_int = SENDING; j_tok = g_tok; j_att = attempt; j_sends = prev + 1; goto Lunbegun
      fi };
Lsend:
    atomic {
      MUST(ONE_REQUEST, excused || (net[0] == IDLE && (N < 2 || net[N - 1] == IDLE) && (N < 3 || net[1] == IDLE)));
      MUST(ONE_RETRY, unanswered[g_tok] <= 1 && !refusedRetry[g_tok]);
      MUST(NO_REPLAY, (FLEET && excused) || !((j_ret >> g_tok) & 1) && !(j_int == CONSUMED && j_tok == g_tok) && !(f_kind[AT(p)] == 2 && f_fp[AT(p)] == g_tok));
      MUST(KEPT_ONCE, (FLEET && excused) || !keptOnce[g_tok]);
      MUST(NO_FAULT, fault || sentTimes[g_tok] == 0 || UNROTATED || TRANSIENT || F_LOGIN || F_RESTORE || F_STALE || F_REFRESH);
      sentTimes[g_tok]++; unanswered[g_tok]++;
      net[p] = SENT; netTok[p] = g_tok };
Lwait:
    atomic {
      if
      :: net[p] == ANSWERED -> kind = netKind[p]; k_tok = netNew[p]; k_acc = netAcc[p];
           /* an answer that left the token as it was proves that it lived after every send before */
           unanswered[g_tok] = (kind == A_GRANTED && k_tok == g_tok -> 0 : unanswered[g_tok] - 1);
           holds[p] = (kind == A_GRANTED && k_tok != g_tok)
      :: lossB > 0 && net[p] == SENT -> lossB--; fault = 1; kind = A_UNKNOWN; if :: LATE -> late[netTok[p]]++ :: else fi
      :: lossB > 0 && net[p] == ANSWERED -> lossB--; fault = 1; kind = A_UNKNOWN;
           if :: netNew[p] != 0 && netNew[p] != netTok[p] -> excused = 1 :: else fi
      fi;
      net[p] = IDLE; netTok[p] = 0; netKind[p] = 0; netNew[p] = 0; netAcc[p] = 0 };
    if
    :: atomic { kind == A_GRANTED -> k_att = attempt; k_fp = g_tok; if :: M_EARLY_PUBLISH -> serveNew(k_acc) :: else fi }
    :: atomic { kind == A_TERMINAL ->         /* the record is read once more */
         busy[p] = 0; err = 1;
         if
         :: failB > 0 -> failB--; fault = 1; res[p] = STORE_ERROR;
              if :: prev > 0 && !M_UNREAD_REFUSAL -> setIntent(SENDING, g_tok, attempt, prev + 1) :: else fi
         :: !(s_present && s_tok == g_tok) ->
              if :: begunAgain -> res[p] = SUPERSEDED :: else -> landed = 1 fi
         :: s_present && s_tok == g_tok && prev > 0 ->
              setIntent(SENDING, g_tok, attempt, prev + 1); res[p] = OUTCOME_UNKNOWN; MUST(BLAMELESS, fault)
         :: s_present && s_tok == g_tok && prev == 0 && !EXPIRED(g_acc) && !(purpose == REJECTED && other == g_acc) ->
              clearIntent(); r_rest = g_tok; res[p] = INVALID_GRANT
         :: s_present && s_tok == g_tok && prev == 0 && !(!EXPIRED(g_acc) && !(purpose == REJECTED && other == g_acc)) ->
              clearIntent(); r_mark = g_tok; excused = 1; res[p] = INVALID_GRANT
         fi;
         MUST(BLAMELESS, res[p] != INVALID_GRANT || fault || loggedOut || replaced || F_REFRESH || F_RESTORE || F_STALE);
         goto Lnote }
    :: atomic { kind == A_TRANSIENT -> busy[p] = 0; res[p] = UNAVAILABLE; err = 1;
         if :: M_CLEAR_ON_429 -> clearIntent() :: else fi; goto Lnote }
    :: atomic { kind == A_GATEWAY -> busy[p] = 0; res[p] = UNAVAILABLE; err = 1; setIntent(SENDING, g_tok, attempt, prev); goto Lnote }
    :: atomic { kind == A_UNKNOWN -> busy[p] = 0; setIntent(SENDING, g_tok, attempt, (M_UNCOUNTED -> 1 : prev + 1)); note();
         if
         :: prev > 0 -> res[p] = OUTCOME_UNKNOWN; err = 1; MUST(BLAMELESS, fault); goto Lroom
         :: prev == 0 -> res[p] = NO_ANSWER; err = 1; goto Lroom
         :: prev == 0 -> prev = 1; kind = 0; goto Lbegin    /* the same holder's retry, after quietTime */
         fi }
    fi;
Lcapture:
    if
    :: atomic { k_tok != k_fp ->
         if
         :: !M_NO_CAPTURE && !allDown ->
              f_kind[AT(p)] = 2; f_att[AT(p)] = k_att; f_fp[AT(p)] = k_fp; f_tok[AT(p)] = k_tok; f_acc[AT(p)] = k_acc; keptOnce[k_fp] = 1; holds[p] = 0
         :: allDown -> f_kind[AT(p)] = 0; holdInMemory(p)
         :: failB > 0 -> failB--; fault = 1; f_kind[AT(p)] = 0; holdInMemory(p)
         :: arrivedB > 0 -> arrivedB--; fault = 1; holdInMemory(p); holds[p] = 0;
              f_kind[AT(p)] = 2; f_att[AT(p)] = k_att; f_fp[AT(p)] = k_fp; f_tok[AT(p)] = k_tok; f_acc[AT(p)] = k_acc
         :: M_NO_CAPTURE -> f_kind[AT(p)] = 0; holds[p] = 0
         fi;
         setIntent(CONSUMED, k_fp, attempt, prev + 1) };
       atomic { note() }
    :: atomic { k_tok == k_fp -> clearIntent() }
    fi;
Lpersist:
    if :: M_DISCARD_FIRST -> atomic { f_kind[AT(p)] = 0; f_att[AT(p)] = 0; f_fp[AT(p)] = 0; f_tok[AT(p)] = 0; f_acc[AT(p)] = 0 } :: else fi;
Lcommit:                                     /* Held.commit: compare and swap; an overtaken holder's is not refused */
    atomic {
      if
      :: allDown -> goto Lunsaved
      :: failB > 0 -> failB--; fault = 1; goto Lunsaved
      :: M_FENCED_COMMIT && FLEET && lock != p -> goto Lunsaved
      :: !allDown && !(M_FENCED_COMMIT && FLEET && lock != p) ->
           if
           :: !s_present && !M_NO_CAS -> outcome = GONE
           :: s_present && ((!FORGETS && s_att == k_att) || (s_tok != k_fp && s_tok == k_tok)) -> outcome = WRITTEN
           :: else ->
                if
                :: OUTDATED(k_att, k_tok, k_acc, s_tok, s_acc, (FORGETS -> 0 : s_att)) && !M_NO_CAS -> outcome = THEIRS
                :: !OUTDATED(k_att, k_tok, k_acc, s_tok, s_acc, (FORGETS -> 0 : s_att)) && s_tok != k_fp && s_acct != g_acct && !M_NO_CAS ->
                     outcome = OTHER_ACCOUNT
                :: (s_tok == k_fp && !OUTDATED(k_att, k_tok, k_acc, s_tok, s_acc, (FORGETS -> 0 : s_att))) || M_NO_CAS ||
                   (s_tok != k_fp && s_acct == g_acct && RETIRED(s_tok) && !M_SNAPSHOT_PERSIST && !OUTDATED(k_att, k_tok, k_acc, s_tok, s_acc, (FORGETS -> 0 : s_att))) ->
                     MUST(NEWER, k_acc > s_acc || s_tok != k_fp); MUST(OVER_OURS, s_tok == k_fp || RETIRED(s_tok));
                     put(k_tok, k_acc, k_att, s_acct); holds[p] = 0;
                     if
                     :: outcome = WRITTEN
                     :: arrivedB > 0 -> arrivedB--; fault = 1; goto Lunsaved
                     fi
                :: s_tok != k_fp && s_acct == g_acct && !M_NO_CAS && !(RETIRED(s_tok) && !M_SNAPSHOT_PERSIST) &&
                   !OUTDATED(k_att, k_tok, k_acc, s_tok, s_acc, (FORGETS -> 0 : s_att)) -> outcome = THEIRS
                fi
           fi
      fi;
      /* what is durable is shown to the callers, and is not held in memory any more */
      busy[p] = 0;
      if :: !recovered || outcome != GONE -> forgetMemory(p) :: else fi;
      found = 0;
      if
      :: outcome == WRITTEN && !recovered -> found = s_acc; serveNew(s_acc)
      :: ((outcome == WRITTEN && recovered) || outcome == THEIRS) && !EXPIRED(s_acc) && s_acc != other ->
           found = s_acc; if :: n <= CALLS && purpose != STORAGE -> serve(s_acc) :: else fi
      :: else
      fi };
Lsettle:                                     /* the journal, and only then the kept answer */
    if
    :: atomic { outcome != GONE || !recovered ->
         /* what later holders learned of a token that a kept answer left as it was is later than the answer */
         if
         :: KEPT_TOKEN && !M_CLEAR_KEPT && r_att != k_att -> skip
         :: KEPT_TOKEN && !M_CLEAR_KEPT && r_att == k_att -> clearIntent()
         :: !KEPT_TOKEN || M_CLEAR_KEPT -> clearIntent(); r_mark = 0; r_rest = 0
         fi;
         r_last = k_att;
         if :: k_tok != k_fp -> r_ret = r_ret | BIT(k_fp) :: else fi;
         note() };
       if :: ok || M_DISCARD_UNSETTLED -> atomic { discard() } :: else fi
    :: else
    fi;
    atomic {
      if
      :: outcome == OTHER_ACCOUNT || (outcome == GONE && !recovered) || (M_REVOKE && outcome == THEIRS && k_tok != k_fp) ->
           if :: outcome == GONE && F_AWAY -> excused = 1 :: else fi;   /* absent at this very moment is gone */
           revoke(k_tok)
      :: else
      fi;
      if
      :: outcome == GONE -> res[p] = REMOVED; goto Lrelease
      :: outcome == OTHER_ACCOUNT -> res[p] = SUPERSEDED; goto Lrelease
      :: (outcome == WRITTEN || outcome == THEIRS) && found != 0 -> goto Lrelease
      :: else ->
           if
           :: retained -> goto Lrelease
           :: !retained && begunAgain -> res[p] = SUPERSEDED; err = 1; goto Lrelease
           :: !retained && !begunAgain -> begunAgain = 1; goto Lagain
           fi
      fi };
Lunsaved:
    if
    :: atomic { true -> goto Lcommit }          /* tried again for persistRetry */
    :: atomic { true ->
         if :: !(f_kind[AT(p)] == 2 && f_att[AT(p)] == k_att) -> holdInMemory(p) :: else fi;
         if :: FLEET && lock != p && fault -> excused = 1 :: else fi;   /* cut off beyond the waits */
         if :: FLEET == 2 && fault -> excused = 1 :: else fi;           /* what it kept, no other host can find */
         busy[p] = 0; res[p] = NOT_PERSISTED; err = 1; ok = 0;
         if :: !retained -> note() :: else fi;
         if
         :: retained || (k_tok != k_fp && !(f_kind[AT(p)] == 2 && f_att[AT(p)] == k_att) && !ok && !M_RELEASE) -> goto Lretain
         :: else -> goto Lrelease
         fi }
    fi;
Lretain:                                     /* the tenant is kept, and the answer tried again; the callers have the error */
    atomic {
      if
      :: !retained && n <= CALLS && s_present && s_acct == hacct && !EXPIRED(s_acc) && s_acc != rejected -> serve(s_acc)
      :: else
      fi;
      retained = 1; busy[p] = k_fp;
      if
      :: true -> goto Lcommit
      :: allDown -> excused = 1; forgetMemory(p); n = CALLS + 1; goto Lrelease    /* the service closes, and says so */
      :: failB > 0 -> failB--; excused = 1; forgetMemory(p); n = CALLS + 1; goto Lrelease
      fi };
Lunbegun:                                    /* nothing was sent: the intent before is put back */
    atomic { res[p] = STORE_ERROR; err = 1;
      if :: !M_KEEP_BEGUN -> note() :: else fi; goto Lroom };
Lnote:
    atomic { note();
      if :: ok && kind == A_TERMINAL && prev > 0 && !landed && res[p] != SUPERSEDED -> refusedRetry[g_tok] = 1 :: else fi };
Lroom:                                       /* room that holds no answer is given back */
    if :: f_kind[AT(p)] == 1 -> atomic { discard() } :: else fi;
    atomic { if :: landed -> begunAgain = 1; goto Lagain :: else -> goto Lrelease fi };
Lagain:
    atomic { err = 0; res[p] = 0; landed = 0; unsure = (FLEET > 0 && !M_LAST_HOLDER); goto Lread };
Lrelease:
    atomic { release(); beyond[p] = 0; busy[p] = 0; holds[p] = 0; retained = 0; begunAgain = 0; recovered = 0; ok = 0; unsure = 0; away = 0; landed = 0; settled = 0;
      r_int = 0; r_tok = 0; r_att = 0; r_sends = 0; r_last = 0; r_mark = 0; r_rest = 0; r_ret = 0;
      g_tok = 0; g_acc = 0; g_att = 0; g_acct = 0; k_att = 0; k_fp = 0; k_tok = 0; k_acc = 0;
      prev = 0; attempt = 0; kind = 0; outcome = 0;
      if :: found != 0 -> goto Lfound :: else -> goto Lafter fi };
Lfound:
    atomic {                                 /* what a refresh that only stores found is read again */
      if
      :: n <= CALLS && purpose == STORAGE && !M_SERVE_STORAGE && !again -> found = 0; again = 1; goto Lobtain
      :: n <= CALLS && purpose == STORAGE && M_SERVE_STORAGE -> serve(found)
      :: else
      fi;
      found = 0; res[p] = SERVED; goto Lend };
Lafter:
    atomic {                                 /* what is stored is served, if it may be */
      if
      :: err && n <= CALLS && s_present && s_acct == hacct && !EXPIRED(s_acc) && s_acc != rejected -> serve(s_acc)
      :: else
      fi };
Lend:
    atomic { MUST(ENDS, res[p] != 0); hacct = 0; other = 0; purpose = 0; err = 0; found = 0; rejected = 0; again = 0;
      if
      :: n < CALLS -> goto Lcall
      :: n == CALLS && u_att[p] != 0 -> goto Lcall          /* the service closes: storeAtClose */
      :: else -> done[p] = 1; res[p] = 0;
           if :: u_att[p] != 0 -> if :: u_tok[p] != u_fp[p] -> excused = 1 :: else fi; forgetMemory(p) :: else fi
      fi }
  } unless { dead[p] };
}

/* Logins, imports and logouts leave the journal as a new login, or none, needs it; the same token again is no new login. */
inline settle(same_) {
  if
  :: same_
  :: !same_ -> retireIntent(); clearIntent(); r_mark = 0; r_rest = 0
  fi;
  note()
}
proctype Login(byte p) {
  bit ok, placed; byte t, r_int, r_tok, r_att, r_sends, r_last, r_mark, r_rest, r_ret;
  { atomic { lock == NONE -> lock = p; mayLive = 0; readJournal() };
    if :: M_SETTLE_FIRST -> atomic { settle(0) } :: else fi;
    atomic {
      if
      :: issue(families, 0, t); families++; accs++; put(t, accs, 0, LOGIN); replaced = 1; placed = 1
      :: failB > 0 -> failB--; fault = 1
      fi };
    if
    :: placed && !M_SETTLE_FIRST -> atomic { settle(0) }; if :: ok -> atomic { discard() } :: else fi
    :: else
    fi;
    atomic { release(); t = 0; ok = 0; r_int = 0; r_tok = 0; r_att = 0; r_sends = 0; r_last = 0; r_mark = 0; r_rest = 0; r_ret = 0; done[p] = 1 }
  } unless { dead[p] };
}
/* Verdict.isAlive of the stored login, as the holder's read has it. */
#define INTENT_COUNTS (r_int != 0 && r_tok == s_tok && !(s_att != 0 && s_att == r_att) && !(r_last != 0 && r_last == r_att))
#define JUDGED_ALIVE (!EXPIRED(s_acc) || !((INTENT_COUNTS && r_int == CONSUMED && !(f_kind[AT(p)] == 2 && f_fp[AT(p)] == s_tok)) || \
  RETIRED(s_tok) || r_mark == s_tok || (INTENT_COUNTS && r_int == SENDING && r_sends >= 2)))
/* What the journal says of the first token once it has absorbed what the record tells. */
#define EXCHANGED (RETIRED(1) || (!M_UNABSORBED && r_tok == 1 && s_tok != 1 && (r_int == CONSUMED || (r_int == SENDING && r_sends > 0))))
proctype Import(byte p) {
  bit ok, placed, same; byte r_int, r_tok, r_att, r_sends, r_last, r_mark, r_rest, r_ret;
  { atomic { lock == NONE -> lock = p; mayLive = 0; readJournal() };
    atomic {
      if
      :: IMPORT == 1 && s_present -> s_att = 0; placed = 1
      :: IMPORT == 2 && s_present && s_acct == 1 && s_tok != 1 && EXCHANGED && JUDGED_ALIVE && !M_IMPORT
      :: IMPORT == 2 && s_present && s_acct == 1 && !(s_tok != 1 && EXCHANGED && JUDGED_ALIVE && !M_IMPORT) ->
           /* what neither journal nor answer tells, the person must know */
           if :: s_tok != 1 && !RETIRED(1) && !(r_tok == 1 && r_int != 0) && !(f_kind[AT(p)] == 2 && f_fp[AT(p)] == 1) -> excused = 1 :: else fi;
           placed = 1; same = (s_tok == 1); put(1, 1, 0, 1)
      :: else
      fi };
    if
    :: placed -> atomic { settle((IMPORT == 1 || same)) };
         if :: ok && IMPORT == 2 && !same -> atomic { discard() } :: else fi
    :: else
    fi;
    atomic { release(); ok = 0; same = 0; r_int = 0; r_tok = 0; r_att = 0; r_sends = 0; r_last = 0; r_mark = 0; r_rest = 0; r_ret = 0; done[p] = 1 }
  } unless { dead[p] };
}
proctype Logout(byte p) {
  bit ok, gone; byte t, a, newest, r_int, r_tok, r_att, r_sends, r_last, r_mark, r_rest, r_ret;
  { atomic { lock == NONE -> lock = p; mayLive = 0; readJournal(); t = s_tok; a = s_acc;
      newest = (f_kind[AT(p)] == 2 && f_fp[AT(p)] == t -> f_tok[AT(p)] : t) };
    if
    :: atomic { t == 0 && M_LOGOUT_SILENT -> loggedOut = 1; discard() }
    :: t == 0 && !M_LOGOUT_SILENT ->         /* the record may come back: what the kept answer proves stays known */
         atomic { loggedOut = 1; if :: f_kind[AT(p)] == 2 -> r_ret = r_ret | BIT(f_fp[AT(p)]) :: else fi; settle(0) };
         if :: ok -> atomic { discard() } :: else fi
    :: t != 0 ->
         if
         :: atomic { true -> revoked[fam[newest]] = 1; loggedOut = 1 }
         :: true
         fi;
         atomic {
           if
           :: s_present && s_tok == t && s_acc == a -> take_out(); loggedOut = 1; gone = 1
           :: else -> if :: revoked[fam[newest]] -> excused = 1 :: else fi
           fi };
         if
         :: gone -> atomic { settle(0) }; if :: ok -> atomic { discard() } :: else fi
         :: else
         fi
    fi;
    atomic { release(); ok = 0; gone = 0; t = 0; a = 0; newest = 0;
      r_int = 0; r_tok = 0; r_att = 0; r_sends = 0; r_last = 0; r_mark = 0; r_rest = 0; r_ret = 0; done[p] = 1 }
  } unless { dead[p] };
}
/* What overwrites the only copy of a living token is not our fault. */
inline clobber() {
  if
  :: s_present && ALIVE(s_tok) && !((net[0] == SENT && netTok[0] == s_tok) || (N > 1 && net[N - 1] == SENT && netTok[N - 1] == s_tok)) -> excused = 1
  :: else
  fi
}
proctype Foreign(byte p) {
  byte t, a, c, x, y, k;
  byte login = F_LOGIN, account = F_ACCOUNT, remove = F_REMOVE, restore = F_RESTORE, stale = F_STALE, refresh = F_REFRESH, away = F_AWAY;
  do
  :: atomic { login > 0 -> login--; issue(families, 0, t); families++; accs++; put(t, accs, 0, 1); replaced = 1; t = 0 }
  :: atomic { account > 0 -> account--; issue(families, 0, t); families++; accs++; put(t, accs, 0, 2); replaced = 1; t = 0 }
  :: atomic { remove > 0 -> remove--; take_out(); removed = 1 }
  :: atomic { restore > 0 -> restore--; if :: s_tok != 1 -> clobber() :: else fi; s_present = 1; s_tok = 1; s_acc = 1; s_att = 0; s_acct = 1 }
  :: atomic { stale > 0 && s_present -> stale--; t = s_tok; a = s_acc; c = s_att; x = s_acct };
     atomic { if :: s_present && s_tok != t -> clobber() :: else fi; s_present = 1; s_tok = t; s_acc = a; s_att = c; s_acct = x; t = 0; a = 0; c = 0; x = 0 }
  :: atomic { refresh > 0 && s_present -> refresh--; t = s_tok; provide(t, 0, k, x, y) };
     atomic {
       if
       :: k == A_GRANTED -> put(x, y, 0, 1)
       :: else -> excused = 1                               /* beaten to it: it ended the family itself */
       fi; t = 0; x = 0; y = 0; k = 0 }
  :: atomic { away > 0 && s_present -> away--; t = s_tok; a = s_acc; c = s_att; x = s_acct; take_out() };
     atomic { if :: !s_present -> s_present = 1; s_tok = t; s_acc = a; s_att = c; s_acct = x :: else fi; t = 0; a = 0; c = 0; x = 0 }
  :: atomic { true -> done[p] = 1; break }
  od
}
inline answer(q) { provide(netTok[q], 1, netKind[q], netNew[q], netAcc[q]); net[q] = ANSWERED }
#define LATE_ANY (late[1] + late[2] + late[3] + late[4] + late[5] + late[6] + late[7])
proctype Server() {
  byte t, k, x, y;
end:
  do
  :: atomic { net[0] == SENT -> answer(0) }
#if N > 1
  :: atomic { net[1] == SENT -> answer(1) }
#endif
#if N > 2
  :: atomic { net[2] == SENT -> answer(2) }
#endif
  :: atomic { LATE && LATE_ANY > 0 ->
       t = 1; do :: late[t] == 0 -> t++ :: else -> break od;
       late[t]--;
       if
       :: provide(t, 1, k, x, y); if :: k == A_GRANTED && x != t -> excused = 1 :: else fi
       :: true                                              /* it never arrives */
       fi; t = 0; k = 0; x = 0; y = 0 }
  od
}
proctype Clock() {
  byte left = EXPIRE;
  do
  :: atomic { left > 0 -> left--; aged = accs; if :: expired = accs :: true fi }
  :: break
  od
}
proctype Weather() {
  if
  :: JOURNAL_DOWN -> atomic { journalDown = 1; fault = 1 }; journalDown = 0
  :: true
  fi;
  if
  :: ALL_DOWN -> atomic { allDown = 1; fault = 1 }; if :: allDown = 0 :: true fi
  :: true
  fi
}
proctype Killer() {
  byte left = CRASHES, q;
  do
  :: atomic { left > 0 ->
       q = 0;
       do
       :: q < N + 3 && (dead[q] || done[q]) -> q++
       :: q < N + 3 && !dead[q] && !done[q] -> q++
       :: q < N + 3 && !dead[q] && !done[q] -> break
       :: q >= N + 3 -> break
       od;
       if
       :: q < N + 3 -> left--; fault = 1; dead[q] = 1; done[q] = 1;
            if :: lock == q -> lock = NONE; mayLive = (FLEET > 0) :: else fi;
            if
            :: q < N ->
                 if
                 :: net[q] == SENT && LATE -> late[netTok[q]]++
                 :: net[q] == ANSWERED && netNew[q] != 0 && netNew[q] != netTok[q] -> excused = 1
                 :: else
                 fi;
                 net[q] = IDLE; netTok[q] = 0; netKind[q] = 0; netNew[q] = 0; netAcc[q] = 0;
                 /* the answer was read, and is nowhere but in its memory */
                 if :: holds[q] || (u_att[q] != 0 && u_tok[q] != u_fp[q] && !(f_kind[AT(q)] == 2 && f_att[AT(q)] == u_att[q])) -> excused = 1 :: else fi;
                 if :: FLEET == 2 && f_kind[AT(q)] == 2 -> excused = 1 :: else fi;   /* the spool of a host that died */
                 busy[q] = 0; holds[q] = 0; forgetMemory(q)
            :: else
            fi
       :: else -> left = 0
       fi; q = 0 }
  :: break
  od
}
/* The engine takes the tenant from a holder whose session is gone (lost), that is beyond its lease and has announced
   nothing (overdue), or that is beyond every bound (stranded). */
proctype Engine() {
  byte left = OVERTAKE;
  do
  :: atomic { left > 0 && lock < N -> left--;
       if
       :: true                                              /* lost, or overdue */
       :: j_int == SENDING -> beyond[lock] = 1; fault = 1   /* stranded: no wait accounts for it */
       fi;
       lock = NONE; mayLive = 1 }
  :: break
  od
}
#define ALL_DONE (done[0] && (N < 2 || done[1]) && (N < 3 || done[2]) && done[N] && done[N + 1] && done[N + 2] && done[N + 3])
#define KEPT_LIVES(q) (f_kind[AT(q)] == 2 && (f_fp[AT(q)] == s_tok || ((j_ret >> s_tok) & 1)) && ALIVE(f_tok[AT(q)]))
init {
  byte i;
  atomic {
    fam[1] = 1; stored = BIT(1);
    if :: LOGIN -> run Login(N) :: else -> done[N] = 1 fi;
    if :: LOGOUT -> run Logout(N + 1) :: else -> done[N + 1] = 1 fi;
    if :: IMPORT -> run Import(N + 2) :: else -> done[N + 2] = 1 fi;
    if :: (F_LOGIN || F_ACCOUNT || F_REMOVE || F_RESTORE || F_STALE || F_REFRESH || F_AWAY) -> run Foreign(N + 3) :: else -> done[N + 3] = 1 fi;
    run Server();
    if :: EXPIRE -> run Clock() :: else fi;
    if :: (JOURNAL_DOWN || ALL_DOWN) -> run Weather() :: else fi;
    if :: CRASHES -> run Killer() :: else fi;
    if :: OVERTAKE -> run Engine() :: else fi;
    i = 0; do :: i < N -> run Refresher(i); i++ :: else -> break od; i = 0
  };
  atomic { ALL_DONE && LATE_ANY == 0 ->
    MUST(ALIVE_AT_END, excused || loggedOut || removed || !s_present || ALIVE(s_tok) || KEPT_LIVES(0) || (FLEET == 2 && KEPT_LIVES(N - 1)));
    MUST(OPEN_AT_END, excused || !s_present || !ALIVE(s_tok) ||
      (j_mark != s_tok && !(j_int == CONSUMED && j_tok == s_tok && !(f_kind[0] == 2 && f_fp[0] == s_tok) && !(s_att == j_att && !FORGETS) && j_last != j_att)));
    MUST(LIVING_NOT_RETIRED, !s_present || !ALIVE(s_tok) || !((j_ret >> s_tok) & 1))
  }
}
