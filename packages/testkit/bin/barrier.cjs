"use strict"
// Loaded with --require before the program. It reports on descriptor 3, waits there until it is let go, and reports the
// end: so many processes start the same work at the same time, whatever program they run, and each takes its own times.

const { isMainThread } = require("node:worker_threads")
const { readSync, writeSync } = require("node:fs")

const BARRIER = 3

// Only the process that was started for it. Its own children inherit the environment, and would wait for ever.
if (isMainThread && process.env.TESTKIT_BARRIER !== undefined) {
  delete process.env.TESTKIT_BARRIER
  const tell = (event, more) => {
    try {
      const at = { wall: Date.now(), monotonic: String(process.hrtime.bigint()) }
      writeSync(BARRIER, `${JSON.stringify({ event, at, title: process.title, ...more })}\n`)
    } catch {
      // The process at the other end has gone.
    }
  }
  tell("ready")
  try {
    readSync(BARRIER, Buffer.alloc(1), 0, 1, null)
  } catch {
    process.exit(1)
  }
  tell("go")
  process.on("exit", (code) => tell("exit", { code }))
  // Said after the program has dealt with it. A listener of ours would keep a signal from ending the process.
  const emit = process.emit
  let heard = 0
  process.emit = function(event, ...rest) {
    const result = emit.call(this, event, ...rest)
    if (typeof event === "string" && /^SIG[A-Z0-9]+$/.test(event)) tell("signal", { signal: event, count: ++heard })
    return result
  }
}
