"use strict"
// Loaded with --require before the program: the processes of one machine that are started with the same machine id and the
// same clock are those of one host. What else a host has of its own, its directories, its environment says already.

const fs = require("node:fs")
const { syncBuiltinESMExports } = require("node:module")

const { TESTKIT_CLOCK: ahead, TESTKIT_MACHINE: machine } = process.env
delete process.env.TESTKIT_CLOCK
delete process.env.TESTKIT_MACHINE

if (ahead !== undefined) {
  const Real = Date
  const now = () => Real.now() + Number(ahead)
  globalThis.Date = class Date extends Real {
    constructor(...args) {
      if (args.length === 0) super(now())
      else super(...args)
    }
    static now() {
      return now()
    }
  }
}

if (machine !== undefined) {
  const read = fs.readFileSync
  fs.readFileSync = (path, ...rest) => path === "/etc/machine-id" ? `${machine}\n` : read(path, ...rest)
  syncBuiltinESMExports()
}
