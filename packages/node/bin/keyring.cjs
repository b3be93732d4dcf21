/**
 * Asks the operating system's keyring for the process that started it: a call to a keyring can hang for ever, and a
 * process can be killed while a thread cannot.
 *
 * One JSON object per line on stdin, one per line on stdout; secrets travel nowhere else. The first line says that it has
 * started: what comes before is no time of the keyring's. It ends with its stdin.
 *
 * CommonJS, and lines split by hand: every command on such a store starts one, and Node's loader of ES modules and its
 * readline would be a third more to start.
 */
"use strict"

// The process that started it decides when it ends, and may have a token to put away after Ctrl-C.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGTSTP"]) process.on(signal, () => {})

// Never the default store of Linux: without a session it is a silent fallback that forgets everything at the next boot.
const OPTIONS = { linux: { store: "secret-service" } }

/** An entry has a connection of its own, which costs more than a call. A write asks for the same one again at once. */
const KEPT = 4

/** @returns {typeof import("@napi-rs/keyring") | undefined} */
const load = () => {
  try {
    return require("@napi-rs/keyring")
  } catch {
    return undefined
  }
}

const keyring = load()

const entries = new Map()

const entryOf = (service, account) => {
  const name = `${service}\n${account}`
  const kept = entries.get(name)
  if (kept !== undefined) return { entry: kept, isFresh: false }
  const entry = new keyring.AsyncEntry(service, account, OPTIONS)
  if (entries.size >= KEPT) entries.delete(entries.keys().next().value)
  entries.set(name, entry)
  return { entry, isFresh: true }
}

const withEntry = async ({ account, service }, use) => {
  const { entry, isFresh } = entryOf(service, account)
  try {
    return await use(entry)
  } catch (error) {
    entries.delete(`${service}\n${account}`)
    if (isFresh) throw error
  }
  // The keyring was restarted since: its old connections are dead. Every call may be repeated.
  return use(entryOf(service, account).entry)
}

const run = async (request) => {
  switch (request.operation) {
    case "get": {
      const secret = await withEntry(request, (entry) => entry.getSecret())
      return { secret: secret === null ? null : Buffer.from(secret).toString("base64") }
    }
    case "set":
      await withEntry(request, (entry) => entry.setSecret(Buffer.from(request.secret, "base64")))
      return {}
    case "remove":
      return { removed: await withEntry(request, (entry) => entry.deleteCredential()) }
    case "find": {
      // Says so where there is no keyring; the search would look elsewhere.
      entryOf(request.service, request.account)
      const found = await keyring.findCredentialsAsync(request.service)
      return { accounts: found.map(({ account }) => account).filter((account) => account.startsWith(request.account)) }
    }
  }
}

/** Another process removed an item between its being found and its being asked: the next search does not find it. */
const hasVanished = (error) =>
  /\borg\.freedesktop\.Secret\.Item\b|UnknownMethod.*\/secrets\/collection\//.test(String(error?.message))

/**
 * A question is given up after two seconds by the library that puts it, and a Secret Service that many ask at once takes longer.
 * How long an answer may take is for the process to say that started this one.
 */
const isLate = (request, error) =>
  request.operation === "get" && /did not receive a reply|NoReply|timed? ?out/i.test(String(error?.message))

/** Each of them is one more removal by others, so that this many are not met; what would go on for ever ends. */
const ATTEMPTS = 100

const answer = async (request) => {
  if (keyring === undefined) return { failure: "binding" }
  for (let attempt = 1;; attempt++) {
    try {
      return await run(request)
    } catch (error) {
      if (attempt < ATTEMPTS && (hasVanished(error) || isLate(request, error))) continue
      return { failure: "keyring", message: String(error?.message) }
    }
  }
}

let calls = 0

const ask = (line) => {
  calls++
  const request = JSON.parse(line)
  void answer(request).then((said) => {
    process.stdout.write(`${JSON.stringify({ id: request.id, ...said })}\n`)
    calls--
  })
}

let rest = ""

process.stdin.setEncoding("utf8").on("data", (text) => {
  const lines = (rest + text).split("\n")
  rest = lines.pop()
  for (const line of lines) ask(line)
})

// A thread that hangs in a call would keep an orderly exit waiting for ever.
for (const end of ["end", "close"]) {
  process.stdin.once(end, () => calls === 0 ? process.exit(0) : process.kill(process.pid, "SIGKILL"))
}

process.stdout.on("error", () => process.exit(0))

process.stdout.write("{\"ready\":true}\n")
