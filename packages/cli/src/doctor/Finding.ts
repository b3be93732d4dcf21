/**
 * What the doctor says, for people and for programs.
 *
 * `lockstep doctor --json` prints one object:
 *
 * ```json
 * {
 *   "home": "/home/me/.lockstep", "store": "file", "healthy": false,
 *   "checks": [
 *     { "check": "files",
 *       "findings": [{ "kind": "problem", "code": "open_to_others", "message": "…", "advice": "…", "tenant": null }] }
 *   ],
 *   "history": { "tenants": [{ "tenant": "codex", "outcomes": [] }] }
 * }
 * ```
 *
 * Codes, members and the names of checks stay; new ones may come. Messages are for people and change. `history` is what
 * `lockstep status --history --json` prints.
 *
 * @since 0.1.0
 */

/**
 * What each code says.
 *
 * @since 0.1.0
 * @category constants
 */
export const CODES = {
  agent_keys: "the keys of agents cannot be read",
  answer_left: "an answer file of a login that is gone",
  answer_waiting: "new tokens that are not stored yet",
  clock_differs: "this machine's clock and a server's are apart",
  clock_set_back: "a token was obtained in the future",
  clock_unchecked: "a server's clock could not be read",
  cooldown: "a server is not asked again yet",
  directory_missing: "nothing was stored here yet",
  drift: "another store was chosen automatically than before",
  error: "an error of the library, told in its own words",
  fleet_clock: "this machine's clock and the database's are apart",
  fleet_durability: "what a failover of the database can lose",
  fleet_plain: "the connection to the database is not encrypted",
  fleet_pooler: "a pooler answers in the place of the database",
  fleet_version: "the database was set up by another version",
  holder: "a process holds a lock",
  holder_late: "a process holds a lock for longer than a refresh may take",
  holder_stopped: "a process that is stopped holds a lock",
  intent_open: "a refresh token was sent and no new one came back",
  irreplaceable: "a file whose place no other one can take",
  keeper: "a keeper hands out the logins of this home",
  keeper_gone: "a keeper left its socket",
  keeper_silent: "a keeper does not answer",
  key_missing: "the key of an encrypted store is missing or unreadable",
  keyring_leftovers: "entries of the keyring that nothing refers to",
  keyring_slow: "the keyring takes long to answer",
  keyring_trouble: "the keyring does not do what it is asked",
  leftover: "a temporary file of a writer that died",
  lineage: "where a login came from and what became of it",
  lock_foreign: "a lock of another program",
  lock_open: "two processes held one lock",
  lock_probe_failed: "a second process could not be started",
  lock_stuck: "a lock that was released stayed taken",
  login_needed: "a login has ended",
  login_pending: "a login waits for its second step",
  move_unfinished: "a move to another store was cut off",
  moved: "a store whose logins were moved away",
  network_setting: "a variable that leads requests elsewhere",
  network_setting_wrong: "a variable that leads requests nowhere",
  no_room: "what a refresh writes cannot be written",
  not_a_directory: "something else is in the place of a directory",
  open_to_others: "others may read or write it",
  owner: "it belongs to another user",
  pin_repaired: "what the first write recorded could not be used, and was replaced",
  pin_unusable: "what the first write recorded cannot be used by any process",
  remote: "a network or shared file system",
  shadowed: "a variable comes before a stored login",
  sidecar_kind: "something else is in the place of a sidecar",
  sidecar_unknown: "a sidecar of a login that is not stored",
  store_damaged: "a store that does not decode",
  unlisted: "a directory that cannot be listed"
} as const

/**
 * Names a finding for programs.
 *
 * @since 0.1.0
 * @category models
 */
export type Code = keyof typeof CODES

/**
 * What the doctor says about one thing, and what to do about it. A problem wants to be repaired, a remark is good to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly kind: "problem" | "remark"
  readonly code: Code
  readonly message: string
  readonly advice: string
  /** Which login it is about, where it is about one. */
  readonly tenant: string | null
}

/**
 * What one check found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Checked {
  readonly check: string
  readonly findings: ReadonlyArray<Finding>
}

/**
 * Something to repair.
 *
 * @since 0.1.0
 * @category constructors
 */
export const problem = (code: Code, message: string, advice: string, tenant: string | null = null): Finding => ({
  kind: "problem",
  code,
  message,
  advice,
  tenant
})

/**
 * Something good to know, and what to do about it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remark = (code: Code, message: string, advice: string, tenant: string | null = null): Finding => ({
  kind: "remark",
  code,
  message,
  advice,
  tenant
})

/**
 * An error of the library, which brings its own advice.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromError = (
  error: { readonly message: string; readonly advice: string },
  code: Code = "error",
  tenant: string | null = null
): Finding => problem(code, error.message, error.advice, tenant)
