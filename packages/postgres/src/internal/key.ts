/** A tenant in a notification: of one length whatever it is called, and nothing that a name could break. */
import * as Crypto from "node:crypto"

export const keyOf = (namespace: string, name: string): string =>
  Crypto.createHash("sha256").update(`${namespace}\u0000${name}`).digest("hex").slice(0, 16)
