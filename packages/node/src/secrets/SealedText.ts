/**
 * A text that only the holders of a key can read, or write: AES-256-GCM (NIST SP 800-38D) under a key of its own.
 *
 * ```
 * lockstep-sealed 1 key=<16 hex> for=<16 hex> length=<bytes> salt=<base64> nonce=<base64>
 * <base64 of ciphertext and tag>
 * ```
 *
 * Random nonces under one key are safe for some 2^32 writes only. So every write derives a key by HKDF-SHA256 (RFC 5869)
 * from the sealing key, 32 random bytes of salt, the form, the key's id and the purpose; the nonce is random as well. The
 * header and the purpose are authenticated, so nothing of a sealed file can be changed, and none can take the place of
 * another. Nothing keeps an older text of the same file from taking its place: that is what generations are for.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import type { SealingKey } from "./SealingKeys.js"

/**
 * Why a text was not opened. Nothing of its content is in there.
 *
 * @since 0.1.0
 * @category errors
 */
export type Refusal = Data.TaggedEnum<{
  NotSealed: {}
  LaterVersion: { readonly version: number }
  /** It ends too early. */
  Truncated: {}
  OtherPurpose: {}
  OtherKey: { readonly sealedWith: string; readonly opened: string }
  /** It was changed after it was sealed, or never was sealed by a holder of the key. */
  Tampered: {}
}>

/**
 * Constructors of {@link Refusal}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Refusal = Data.taggedEnum<Refusal>()

/**
 * Says in a few words why a text was not opened.
 *
 * @since 0.1.0
 * @category rendering
 */
export const describe: (refusal: Refusal) => string = Refusal.$match({
  NotSealed: () => "not a sealed file",
  LaterVersion: ({ version }) => `sealed in form ${version}, which only a later version of Lockstep opens`,
  Truncated: () => "cut short: its end is missing",
  OtherPurpose: () => "sealed as another file, and copied or renamed since",
  OtherKey: ({ opened, sealedWith }) => `sealed with key ${sealedWith}, not with key ${opened}`,
  Tampered: () => "changed since it was sealed"
})

/**
 * What the first line of a sealed text says.
 *
 * @since 0.1.0
 * @category models
 */
export interface Header {
  /** The line itself, without its end. */
  readonly line: string
  /** The id of the key. */
  readonly key: string
  /** Digest of the purpose. */
  readonly purpose: string
  /** Bytes of the text. */
  readonly length: number
  readonly salt: Uint8Array
  readonly nonce: Uint8Array
}

const MAGIC = "lockstep-sealed "
const VERSION = 1
const CIPHER = "aes-256-gcm"
const SALT_LENGTH = 32
const NONCE_LENGTH = 12
const TAG_LENGTH = 16

/** No header is longer. */
const HEADER_LIMIT = 256

const HEADER =
  /^lockstep-sealed 1 key=([0-9a-f]{16}) for=([0-9a-f]{16}) length=(0|[1-9]\d{0,9}) salt=([A-Za-z0-9+/]{43}=) nonce=([A-Za-z0-9+/]{16})$/

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

/** A digest, so that every header of a text of some length is equally long, whatever the file is called. */
const digestOf = (purpose: string): string =>
  Crypto.createHash("sha256").update(purpose, "utf8").digest("hex").slice(0, 16)

const lineOf = ({ key, length, nonce, purpose, salt }: Omit<Header, "line">): string =>
  `${MAGIC}${VERSION} key=${key} for=${purpose} length=${length} salt=${base64(salt)} nonce=${base64(nonce)}`

const bodyLength = (length: number): number => 4 * Math.ceil((length + TAG_LENGTH) / 3)

/**
 * How many bytes a text of so many bytes takes once it is sealed.
 *
 * @since 0.1.0
 * @category getters
 */
export const sizeOf = (bytes: number): number => {
  const line = lineOf({
    key: "0".repeat(16),
    purpose: "0".repeat(16),
    length: bytes,
    salt: new Uint8Array(SALT_LENGTH),
    nonce: new Uint8Array(NONCE_LENGTH)
  })
  return line.length + 1 + bodyLength(bytes) + 1
}

/**
 * Whether this begins as a sealed text does.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSealed = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, MAGIC.length)).toString("latin1") === MAGIC

/**
 * Reads which key a text was sealed with. Nothing that it says is proven before the text is opened.
 *
 * @since 0.1.0
 * @category getters
 */
export const headerOf = (bytes: Uint8Array): Either.Either<Header, Refusal> => {
  const start = Buffer.from(bytes.subarray(0, HEADER_LIMIT)).toString("latin1")
  if (!start.startsWith(MAGIC)) return Either.left(MAGIC.startsWith(start) ? Refusal.Truncated() : Refusal.NotSealed())
  const end = start.indexOf("\n")
  if (end < 0 && start.length < HEADER_LIMIT) return Either.left(Refusal.Truncated())
  const version = Number(/^lockstep-sealed ([1-9]\d{0,3}) /.exec(start)?.[1])
  if (version > VERSION) return Either.left(Refusal.LaterVersion({ version }))
  const line = start.slice(0, end)
  const match = HEADER.exec(line)
  return match === null ? Either.left(Refusal.Tampered()) : Either.right({
    line,
    key: match[1]!,
    purpose: match[2]!,
    length: Number(match[3]),
    salt: Buffer.from(match[4]!, "base64"),
    nonce: Buffer.from(match[5]!, "base64")
  })
}

/** The key of one write. Forgotten after its use. */
const withTextKey = <A>(
  key: SealingKey,
  purpose: string,
  header: Header,
  use: (textKey: Uint8Array, authenticated: Buffer) => A
): A => {
  const info = `lockstep-sealed ${VERSION}\n${header.key}\n${purpose}`
  const textKey = new Uint8Array(Crypto.hkdfSync("sha256", Redacted.value(key.key), header.salt, info, 32))
  try {
    return use(textKey, Buffer.from(`${header.line}\n${purpose}`, "utf8"))
  } finally {
    textKey.fill(0)
  }
}

/**
 * Seals a text for one purpose. Two texts are never sealed alike, not even equal ones.
 *
 * @since 0.1.0
 * @category combinators
 */
export const seal = (key: SealingKey, purpose: string, text: string): string => {
  const plain = Buffer.from(text, "utf8")
  const fields = {
    key: key.id,
    purpose: digestOf(purpose),
    length: plain.length,
    salt: Crypto.randomBytes(SALT_LENGTH),
    nonce: Crypto.randomBytes(NONCE_LENGTH)
  }
  const header: Header = { ...fields, line: lineOf(fields) }
  return withTextKey(key, purpose, header, (textKey, authenticated) => {
    const cipher = Crypto.createCipheriv(CIPHER, textKey, header.nonce, { authTagLength: TAG_LENGTH })
    cipher.setAAD(authenticated)
    const body = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    return `${header.line}\n${body.toString("base64")}\n`
  })
}

/** Node skips what is no base64, and reads many texts as the same bytes: only the one that we wrote counts. */
const decodeBody = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64")
  return `${bytes.toString("base64")}\n` === text ? bytes : undefined
}

const decipher = (textKey: Uint8Array, authenticated: Buffer, nonce: Uint8Array, body: Buffer): Buffer | undefined => {
  const cipher = Crypto.createDecipheriv(CIPHER, textKey, nonce, { authTagLength: TAG_LENGTH })
  cipher.setAAD(authenticated)
  cipher.setAuthTag(body.subarray(body.length - TAG_LENGTH))
  const plain = cipher.update(body.subarray(0, body.length - TAG_LENGTH))
  try {
    cipher.final()
    return plain
  } catch {
    plain.fill(0)
    return undefined
  }
}

/**
 * Opens a text that was sealed with this key for this purpose, and gives back nothing but exactly that text.
 *
 * @since 0.1.0
 * @category combinators
 */
export const open = (key: SealingKey, purpose: string, bytes: Uint8Array): Either.Either<Uint8Array, Refusal> =>
  Either.flatMap(headerOf(bytes), (header): Either.Either<Uint8Array, Refusal> => {
    const size = header.line.length + 1 + bodyLength(header.length) + 1
    if (bytes.length < size) return Either.left(Refusal.Truncated())
    if (header.purpose !== digestOf(purpose)) return Either.left(Refusal.OtherPurpose())
    if (header.key !== key.id) return Either.left(Refusal.OtherKey({ sealedWith: header.key, opened: key.id }))
    const body = bytes.length > size
      ? undefined
      : decodeBody(Buffer.from(bytes.subarray(header.line.length + 1)).toString("latin1"))
    const plain = body &&
      withTextKey(
        key,
        purpose,
        header,
        (textKey, authenticated) => decipher(textKey, authenticated, header.nonce, body)
      )
    return plain === undefined ? Either.left(Refusal.Tampered()) : Either.right(plain)
  })
