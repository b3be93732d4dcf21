import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@lockstep/core/Credential"
import * as SealingKeys from "@lockstep/node/secrets/SealingKeys"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as KeyringEntryText from "../../src/internal/keyringEntryText.js"

const decode = (text: string) => KeyringEntryText.decode(Redacted.make(text))

const encoded = Effect.map(SealingKeys.generate, (key) => ({
  key,
  text: KeyringEntryText.encode(Credentials.credential(3), key)
}))

const changed = (text: string, members: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ ...JSON.parse(text) as object, ...members })

describe("the text of an entry", () => {
  it.effect("is read as it was written, with the key of the next one", () =>
    Effect.gen(function*() {
      const { key, text } = yield* encoded
      const { credential, nextKey } = Either.getOrThrow(decode(text))
      assert.deepStrictEqual(credential, Credentials.credential(3))
      assert.deepStrictEqual(
        Option.map(nextKey, (one) => Redacted.value(one.key)),
        Option.some(Redacted.value(key.key))
      )
    }))

  it.effect("reads what is unusual in a record as the schema does", () =>
    Effect.gen(function*() {
      const { text } = yield* encoded
      for (
        const members of [{ generation: null }, { expires_at: 0 }, { scope: null }, { refresh_token: "" }, {
          account: 7
        }]
      ) {
        const unusual = changed(text, members)
        const bySchema = Schema.decodeUnknownEither(Schema.parseJson(Credential.Credential))(unusual)
        assert.deepStrictEqual(
          Either.getRight(Either.map(decode(unusual), ({ credential }) => credential)),
          Either.getRight(bySchema),
          unusual
        )
      }
    }))

  it("is no credential where it is no record, and says nothing of what it is", () => {
    for (const text of ["null", "[]", "3", "\"lockstep-rt-1\"", "{", ""]) {
      assert.deepStrictEqual(decode(text), Either.left("NoCredential"), text)
    }
  })

  it.effect("has no key where it holds none of ours, and its credential counts", () =>
    Effect.gen(function*() {
      const { text } = yield* encoded
      for (const next_key of [undefined, null, 7, "", "AAAA", "A".repeat(44), `${"A".repeat(43)}=A`]) {
        const { credential, nextKey } = Either.getOrThrow(decode(changed(text, { next_key })))
        assert.strictEqual(credential.generation, 3)
        assert.isTrue(Option.isNone(nextKey), String(next_key))
      }
    }))
})
