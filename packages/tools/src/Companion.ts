/**
 * What another tool's format has no place for: generation, last attempt, when a token was obtained, whose client it is.
 * It lies in a file of ours beside the tool's file, and never as a member of ours in there.
 *
 * Two files cannot be replaced at once, and the tool writes its own without asking. So what is kept here is bound to what
 * the tool's file says of the record, by digest, and while that file is replaced both bindings are there, the one from
 * before and the coming one. The companion is written first: whichever text a reader then finds in the tool's file, one
 * binding belongs to it, and a kill between the two writes loses and mixes nothing.
 *
 * Where the tool changed a member and left the tokens as they are, its member counts and the rest of ours does. Where it
 * changed the tokens, nothing in here is about them, with one exception: the generation goes on counting.
 *
 * No access token and no refresh token is ever in it; a client secret or an id token may be.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import { TenantId } from "@lockstep/core/TenantId"
import * as JsonTree from "@lockstep/node/JsonTree"
import type { Format } from "@lockstep/node/SharedFile"
import type { Damage } from "@lockstep/node/StoreCodec"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Crypto from "node:crypto"

/** One member that the tool's file cannot say: what it says instead, and what is meant. */
const Difference = Schema.Struct({
  member: Schema.String,
  said: Schema.optional(Schema.Unknown),
  meant: Schema.optional(Schema.Unknown)
})

const BindingSchema = Schema.Struct({
  /** SHA-256 of all that the tool's file says of the record. */
  entry: Schema.String,
  /** SHA-256 of its tokens alone. */
  tokens: Schema.String,
  differences: Schema.Array(Difference)
})

/**
 * What is kept for one state of one record in the tool's file.
 *
 * @since 0.1.0
 * @category models
 */
export type Binding = typeof BindingSchema.Type

const CompanionJson = Schema.Struct({
  version: Schema.Literal(1),
  tenants: Schema.Array(Schema.Struct({ tenant: TenantId, bindings: Schema.Array(BindingSchema) }))
})

/**
 * The content of a companion file.
 *
 * @since 0.1.0
 * @category models
 */
export type Bindings = ReadonlyMap<TenantId, ReadonlyArray<Binding>>

const decodeFile = Schema.decodeUnknownEither(CompanionJson)
const encodeCredential = Schema.encodeSync(Credential.Credential)
const decodeCredential = Schema.decodeUnknownEither(Credential.Credential)

const sha256 = (text: string): string => Crypto.createHash("sha256").update(text).digest("hex")

/**
 * Names the companion of a tool's file.
 *
 * @since 0.1.0
 * @category getters
 */
export const pathOf = (file: string): string => `${file}.lockstep.json`

/**
 * Digests the tokens of a record as the tool's file has them: SHA-256 in hex. It is the version of the record.
 *
 * @since 0.1.0
 * @category getters
 */
export const tokensOf = (said: Credential.Credential): string =>
  sha256(JSON.stringify(
    [said.accessToken, said.refreshToken, said.idToken].map((token) =>
      Option.getOrNull(Option.map(token, Redacted.value))
    )
  ))

const entryOf = (said: Credential.Credential): string => sha256(JSON.stringify(encodeCredential(said)))

const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/**
 * Binds what is meant to what the tool's file says. `None` where it says other tokens than those that are meant: such a
 * record has no place in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bind = (said: Credential.Credential, meant: Credential.Credential): Option.Option<Binding> => {
  if (
    !Credential.isSameSecret(said.accessToken, meant.accessToken) ||
    !Credential.isSameSecret(said.refreshToken, meant.refreshToken)
  ) return Option.none()
  const a: Readonly<Record<string, unknown>> = encodeCredential(said)
  const b: Readonly<Record<string, unknown>> = encodeCredential(meant)
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return Option.some({
    entry: entryOf(said),
    tokens: tokensOf(said),
    differences: [...names].flatMap((member) =>
      isEqual(a[member], b[member]) ? [] : [{ member, said: a[member], meant: b[member] }]
    )
  })
}

/**
 * Finds the binding that belongs to what the tool's file says now: to all of it, else to its tokens.
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (bindings: ReadonlyArray<Binding>, said: Credential.Credential): Option.Option<Binding> => {
  const entry = entryOf(said)
  const tokens = tokensOf(said)
  return Option.fromNullable(
    bindings.find((one) => one.entry === entry) ?? bindings.find((one) => one.tokens === tokens)
  )
}

const generationOf = ({ differences }: Binding): number => {
  const meant = differences.find(({ member }) => member === "generation")?.meant
  return typeof meant === "number" ? meant : 0
}

/**
 * Completes what the tool's file says by what is kept for it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const complete = (
  bindings: ReadonlyArray<Binding>,
  said: Credential.Credential
): Either.Either<Credential.Credential, Damage> => {
  const bound = find(bindings, said)
  if (Option.isNone(bound)) {
    // The tool changed the tokens, which is one change more than we know of.
    const generation = bindings.length === 0 ? 0 : Math.max(...bindings.map(generationOf)) + 1
    return Either.right(Credential.Credential.make({ ...said, generation }))
  }
  const record: Record<string, unknown> = { ...encodeCredential(said) }
  for (const { meant, member, said: once } of bound.value.differences) {
    if (isEqual(record[member], once)) record[member] = meant
  }
  return Either.mapLeft(decodeCredential(record), () => "a member of a record is not of the expected type or range")
}

const parse = (text: string): Either.Either<Bindings, Damage> => {
  const tree = JsonTree.parse(text)
  if (Either.isLeft(tree)) return Either.left(`${JsonTree.position(text, tree.left)}: not JSON`)
  return Either.mapBoth(decodeFile(JSON.parse(text)), {
    // Dropped, because it quotes the file.
    onLeft: () => "not of the expected form",
    onRight: ({ tenants }) => new Map(tenants.map(({ bindings, tenant }) => [tenant, bindings]))
  })
}

/**
 * How the text of a companion file is read.
 *
 * @since 0.1.0
 * @category codecs
 */
export const format: Format<Bindings> = {
  parse,
  empty: new Map(),
  movedTo: () => Option.none(),
  findDamage: () => Option.none()
}

/**
 * Writes the text of a companion file.
 *
 * @since 0.1.0
 * @category codecs
 */
export const textOf = (content: Bindings): string => {
  const tenants = [...content].map(([tenant, bindings]) => ({ tenant, bindings }))
  return `${JSON.stringify({ version: 1, tenants }, null, 2)}\n`
}
