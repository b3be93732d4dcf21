/**
 * What tells this host from others that share a home.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"

const machineId = (): string => {
  try {
    return Fs.readFileSync("/etc/machine-id", "utf8").trim()
  } catch {
    return ""
  }
}

let known: string | undefined

/** Hashed, because machine-id(5) asks not to show the id itself. Containers without one go by their name. */
export const hostId = (): string => known ??= identify()

const identify = (): string => {
  const id = machineId()
  return /^[0-9a-f]{32}$/.test(id)
    ? `machine-${Crypto.createHash("sha256").update(`lockstep:${id}`).digest("hex").slice(0, 16)}`
    : Os.hostname()
}
