import { assert, describe, it } from "@effect/vitest"
import * as PostgresAddress from "@lockstep/postgres/PostgresAddress"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Fleets from "./support/fleets.js"

const SECRET = "s3cret-password"

const parse = (text: string) => PostgresAddress.parse(Redacted.make(text))

const refused = (text: string): string => {
  const error = Either.match(parse(text), { onLeft: (one) => `${one.message} ${one.advice}`, onRight: () => "" })
  assert.notStrictEqual(error, "", text)
  assert.notInclude(error, SECRET)
  return error
}

describe("PostgresAddress", () => {
  it("reads servers, user, password and database, and shows no password", () => {
    const address = Either.getOrThrow(parse(`postgresql://us%65r:${SECRET}%21@db.example:6000,[::1]/logins`))
    assert.deepStrictEqual(address.servers, [{ host: "db.example", port: 6000 }, { host: "::1", port: 5432 }])
    assert.deepStrictEqual(address.user, Option.some("user"))
    assert.deepStrictEqual(Option.map(address.password, Redacted.value), Option.some(`${SECRET}!`))
    assert.deepStrictEqual(address.database, Option.some("logins"))
    assert.notInclude(JSON.stringify(address), SECRET)
    assert.strictEqual(address.location, "PostgreSQL db.example:6000,::1:5432/logins")
  })

  it("is encrypted and verified unless it stays on this machine or a person has said otherwise", () => {
    const isTls = (text: string) => Option.isSome(Either.getOrThrow(parse(text)).tls)
    for (const host of ["db.example", "10.0.0.7", "127.0.0.1.example", "localhost.example", "db.example,127.0.0.1"]) {
      assert.isTrue(isTls(`postgres://u@${host}/d`), host)
    }
    for (const host of ["127.0.0.1", "localhost", "[::1]", "%2Frun%2Fpostgresql", ""]) {
      assert.isFalse(isTls(`postgres://u@${host}/d`), host)
    }
    assert.isFalse(isTls("postgres:///d?host=/run/postgresql"))
    assert.isFalse(isTls("postgres://u@db.example/d?sslmode=disable"))
    for (const mode of ["verify-full", "verify-ca", "require", "prefer", "allow"]) {
      assert.isTrue(isTls(`postgres://u@127.0.0.1/d?sslmode=${mode}`), mode)
    }
    const { tls } = Either.getOrThrow(parse("postgres://u@db.example/d?sslrootcert=/a&sslcert=/b&sslkey=/c"))
    assert.deepStrictEqual(
      tls,
      Option.some({ authority: Option.some("/a"), certificate: Option.some("/b"), key: Option.some("/c") })
    )
  })

  it("refuses what believes any server, and settings that it does not pass on", () => {
    assert.include(refused(`postgres://u:${SECRET}@db.example/d?sslmode=no-verify`), "verify-full")
    assert.include(refused(`postgres://u:${SECRET}@db.example/d?uselibpqcompat=true`), "uselibpqcompat")
    assert.include(refused(`postgres://u:${SECRET}@db.example/d?options=-c%20x`), "options")
    refused(`mysql://u:${SECRET}@db.example/d`)
    refused(`postgres://u:${SECRET}@db.example:port/d`)
    refused(`postgres://u:${SECRET}%@db.example/d`)
    refused(`postgres://u:${SECRET}@a@db.example/d#x`)
    refused(SECRET)
  })

  it.scopedLive("comes from a file before it comes from a variable, and from no file that others may read", () =>
    Effect.gen(function*() {
      const directory = yield* Fleets.temporary
      const path = Path.join(directory, "url")
      Fs.writeFileSync(path, `postgres://u:${SECRET}@one.example/d\n`, { mode: 0o600 })
      const from = (entries: ReadonlyArray<readonly [string, string]>) =>
        Effect.withConfigProvider(PostgresAddress.fromEnv, ConfigProvider.fromMap(new Map(entries)))
      const variable = ["LOCKSTEP_POSTGRES_URL", "postgres://u@two.example/d"] as const
      const file = ["LOCKSTEP_POSTGRES_URL_FILE", path] as const
      assert.include((yield* from([file, variable])).location, "one.example")
      assert.include((yield* from([variable])).location, "two.example")
      assert.include((yield* Effect.flip(from([]))).message, "LOCKSTEP_POSTGRES_URL_FILE")
      Fs.chmodSync(path, 0o644)
      assert.include((yield* Effect.flip(from([file, variable]))).message, "other users")
      Fs.rmSync(path)
      assert.include((yield* Effect.flip(from([file, variable]))).message, "ENOENT")
    }))
})
