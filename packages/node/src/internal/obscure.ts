/**
 * Makes a text unreadable to eyes and to scanners that look for secrets. It hides nothing from a person who looks for
 * it: the key is right here, as it is in rclone, which does the same to the passwords of its configuration
 * (rclone/rclone fs/config/obscure/obscure.go).
 *
 * AES-256-CTR under a random IV, both as base64url.
 */
import * as Option from "effect/Option"
import * as Crypto from "node:crypto"

const ALGORITHM = "aes-256-ctr"
const IV_LENGTH = 16

/** Not a secret: the source shows it. */
const KEY = Crypto.createHash("sha256").update("lockstep: obscured, not encrypted").digest()

export const obscure = (text: string): string => {
  const iv = Crypto.randomBytes(IV_LENGTH)
  const cipher = Crypto.createCipheriv(ALGORITHM, KEY, iv)
  return Buffer.concat([iv, cipher.update(text, "utf8"), cipher.final()]).toString("base64url")
}

/** `None` where {@link obscure} did not make the text. */
export const reveal = (obscured: string): Option.Option<string> => {
  const bytes = /^[\w-]+$/.test(obscured) ? Buffer.from(obscured, "base64url") : Buffer.alloc(0)
  if (bytes.length <= IV_LENGTH) return Option.none()
  const decipher = Crypto.createDecipheriv(ALGORITHM, KEY, bytes.subarray(0, IV_LENGTH))
  const clear = Buffer.concat([decipher.update(bytes.subarray(IV_LENGTH)), decipher.final()])
  return Option.liftThrowable(() => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(clear))()
}
