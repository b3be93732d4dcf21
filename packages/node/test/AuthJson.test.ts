import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import * as AuthJson from "@lockstep/node/AuthJson"
import * as JsonTree from "@lockstep/node/JsonTree"
import { arbitraryCredential, arbitraryFullCredential as full } from "@lockstep/testkit/contract/arbitraryCredential"
import { credential } from "@lockstep/testkit/contract/credentials"
import { anyValue, space, unknownMember } from "@lockstep/testkit/homes/JsonTexts"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const CODEX = TenantId.make("codex")
const NOW = 1_790_000_000_000

const encode = Schema.encodeSync(Credential.Credential)
const parse = (text: string): AuthJson.Document =>
  Either.getOrThrowWith(AuthJson.parse(text), (damage) => new Error(damage))
const put = (text: string, tenant: TenantId.TenantId, next: Credential.Credential): string =>
  Either.getOrThrowWith(AuthJson.put(parse(text), tenant, next, NOW), (damage) => new Error(damage))
const remove = (text: string, tenant: TenantId.TenantId): string => AuthJson.remove(parse(text), tenant, NOW)
const get = (text: string, tenant: TenantId.TenantId): Option.Option<Credential.Credential> =>
  Either.getOrThrowWith(AuthJson.get(parse(text), tenant), (damage) => new Error(damage))

const KNOWN = new Set(
  Object.keys(Credential.Credential.fields).map((name) =>
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  )
)

interface Member {
  readonly name: string
  readonly value: string
}

const { array, boolean, constantFrom, record, tuple, uniqueArray } = FastCheck

const object = (members: ReadonlyArray<Member>, gaps: ReadonlyArray<string>): string => {
  let i = 0
  const gap = () => gaps[i++ % gaps.length]!
  return `{${
    members.length === 0
      ? ""
      : members.map(({ name, value }) => `${gap()}"${name}"${gap()}:${gap()}${value}${gap()}`).join(",")
  }}`
}

const gaps = array(space, { minLength: 1, maxLength: 5 })

/** Our members among unknown ones, in any order, each written by another program. */
const entry = (known: FastCheck.Arbitrary<Credential.Credential>) =>
  tuple(known, array(unknownMember, { maxLength: 3 }), gaps, FastCheck.infiniteStream(FastCheck.nat())).map(
    ([next, unknown, gaps, random]) => {
      const ours = Object.entries(encode(next)).map(([name, value]) => ({ name, value: JSON.stringify(value) }))
      const members: ReadonlyArray<Member> = [...ours, ...unknown]
        .map((member) => ({ member, order: random.next().value as number }))
        .sort((a, b) => a.order - b.order)
        .map(({ member }) => member)
      return { credential: next, text: object(members, gaps) }
    }
  )

const login = arbitraryCredential.filter((next) => Option.isSome(next.accessToken) || Option.isSome(next.refreshToken))

/** A whole file: some of our logins, entries of others, unknown members, in any layout. */
const file = record({
  names: uniqueArray(constantFrom("codex", "Codex", "mcp:linear", "codex@work", "anthropic-oauth", "__proto__"), {
    minLength: 1,
    maxLength: 4
  }),
  entries: FastCheck.tuple(entry(login), entry(login), entry(login), entry(login)),
  foreign: array(anyValue.filter((value) => !value.includes("_token")), { maxLength: 2 }),
  around: array(unknownMember, { maxLength: 3 }),
  gaps,
  mark: constantFrom("", "\uFEFF"),
  tail: constantFrom("", "\n", "\r\n", " "),
  frameFirst: boolean()
}).map(({ around, entries, foreign, frameFirst, gaps, mark, names, tail }) => {
  const tenants = [
    ...names.map((name, i) => ({ name, value: entries[i]!.text })),
    ...foreign.map((value, i) => ({ name: `foreign-${i}`, value }))
  ]
  const frame = [{ name: "version", value: "1" }, { name: "tenants", value: object(tenants, gaps) }]
  return {
    text: `${mark}${object(frameFirst ? [...frame, ...around] : [...around, ...frame], gaps)}${tail}`,
    logins: new Map(names.map((name, i) => [TenantId.make(name), entries[i]!.credential]))
  }
})

/** Every leaf of the file that is not a known member of this tenant's entry, with its source, in order. */
const others = (source: string, tenant: string): ReadonlyArray<string> => {
  const text = source.replace("\uFEFF", " ")
  const leaves: Array<string> = []
  const visit = (node: JsonTree.JsonNode, path: ReadonlyArray<string>): void => {
    if (path.length === 3 && path[0] === "tenants" && path[1] === tenant && KNOWN.has(path[2]!)) return
    if (node.kind !== "object") leaves.push(`${path.join("/")}=${text.slice(node.start, node.end)}`)
    else {
      if (node.members.length === 0) leaves.push(`${path.join("/")}={}`)
      for (const { name, value } of node.members) visit(value, [...path, name])
    }
  }
  visit(Either.getOrThrow(JsonTree.parse(text)), [])
  return leaves
}

/** Between two runs the test's runner is heard: on a busy machine all of them take longer than it waits. */
const check = <A>(arbitrary: FastCheck.Arbitrary<A>, predicate: (value: A) => void, numRuns = 500) =>
  FastCheck.assert(
    FastCheck.asyncProperty(arbitrary, async (value) => {
      predicate(value)
      await new Promise((resolve) => setImmediate(resolve))
    }),
    { numRuns }
  )

describe("AuthJson splices", () => {
  it("knows every member that a credential is written with", () => {
    const [one] = FastCheck.sample(full, { numRuns: 1, seed: 1 })
    deepStrictEqual(new Set(Object.keys(encode(one!))), KNOWN)
  })

  it("put: the record decodes to what was put, everything else has its old source in its old order", async () => {
    await check(tuple(file, login, constantFrom("codex", "new", "mcp:linear")), ([{ logins, text }, next, name]) => {
      const tenant = TenantId.make(name)
      const after = put(text, tenant, next)
      JSON.parse(after.replace("\uFEFF", ""))
      deepStrictEqual(others(after, name), others(text, name))
      assert.isTrue(Equal.equals(get(after, tenant), Option.some(next)))
      for (const [other, kept] of logins) {
        if (other !== tenant) assert.isTrue(Equal.equals(get(after, other), Option.some(kept)))
      }
      assert.strictEqual(after.startsWith("\uFEFF"), text.startsWith("\uFEFF"))
    })
  })

  it("put: changed values and nothing but them differ, to the byte", async () => {
    await check(tuple(file, entry(full), full, gaps), ([{ text }, mine, next, around]) => {
      const holding = (entryText: string) =>
        object([
          { name: "before", value: text.replace("\uFEFF", "") },
          { name: "version", value: "1" },
          { name: "tenants", value: object([{ name: "codex", value: entryText }], around) }
        ], around)
      const before = holding(mine.text)
      const after = put(before, CODEX, next)
      assert.strictEqual(put(after, CODEX, mine.credential), before)
    })
  })

  it("put and remove of a new tenant leave the file as it was, to the byte", async () => {
    await check(tuple(file, login), ([{ text }, next]) => {
      const tenant = TenantId.make("new")
      assert.strictEqual(remove(put(text, tenant, next), tenant), text)
    })
  })

  it("put of what is stored already changes no byte", async () => {
    await check(file, ({ logins, text }) => {
      for (const [tenant, stored] of logins) {
        // A member that is not written is added once; a written one is left alone.
        const settled = put(text, tenant, stored)
        assert.strictEqual(put(settled, tenant, stored), settled)
      }
    })
  })

  it("remove: the tenant is gone, everything else has its old source in its old order", async () => {
    await check(file, ({ logins, text }) => {
      for (const [tenant] of logins) {
        const after = remove(text, tenant)
        deepStrictEqual(get(after, tenant), Option.none())
        const isElsewhere = (leaf: string) => !leaf.startsWith(`tenants/${tenant}/`) && leaf !== "tenants={}"
        deepStrictEqual(others(after, "").filter(isElsewhere), others(text, "").filter(isElsewhere))
      }
    })
  })

  it("lays a new file out for people", () => {
    const [next] = FastCheck.sample(full, { numRuns: 1, seed: 1 })
    const text = Either.getOrThrow(AuthJson.put(AuthJson.empty, CODEX, next!, NOW))
    const { codex } = JSON.parse(text).tenants
    assert.strictEqual(text, `${JSON.stringify({ version: 1, tenants: { codex } }, null, 2)}\n`)
    const both = put(text, TenantId.make("linear"), next!)
    assert.strictEqual(both, `${JSON.stringify(JSON.parse(both), null, 2)}\n`)
    assert.strictEqual(
      remove(remove(both, CODEX), TenantId.make("linear")),
      "{\n  \"version\": 1,\n  \"tenants\": {}\n}\n"
    )
  })

  it("a member that becomes the first takes over the place of the one that goes", () => {
    const text = "{\"version\":1,\"tenants\":{\"codex\":{\"access_token\":\"a\"},\n \"b\":{\"x\" : 1} }}"
    assert.strictEqual(remove(text, CODEX), "{\"version\":1,\"tenants\":{\"b\":{\"x\" : 1} }}")
  })

  it("keeps CRLF and tabs", () => {
    const text = "{\r\n\t\"version\": 1,\r\n\t\"tenants\": {}\r\n}\r\n"
    const after = put(text, CODEX, credential(1))
    assert.isFalse(/[^\r]\n/.test(after))
    assert.strictEqual(after.replaceAll("\r\n", "\n"), `${JSON.stringify(JSON.parse(after), null, "\t")}\n`)
  })

  it("adds the frame that is missing", () => {
    const after = put("{\"version\":1,\"x\":18446744073709551615}", CODEX, credential(1))
    assert.isTrue(after.startsWith("{\"version\":1,\"x\":18446744073709551615,\"tenants\":{\"codex\":{"))
    assert.isTrue(Option.isSome(get(after, CODEX)))
  })

  it("a member that was null stays null, one that the record no longer has goes", () => {
    const text =
      "{\"version\":1,\"tenants\":{\"codex\":{\"refresh_token\":\"r\",\"login_expires_at\":null,\"scope\":\"a\",\"access_token\":\"a\"}}}"
    const after = put(text, CODEX, { ...credential(3), refreshToken: Option.none() })
    const entry = JSON.parse(after).tenants.codex
    deepStrictEqual(Object.keys(entry), ["login_expires_at", "access_token", "generation"])
    assert.isNull(entry.login_expires_at)
  })

  it("a record without any token is still ours", () => {
    const next = { ...credential(2), accessToken: Option.none(), refreshToken: Option.none() }
    const after = put("{\"version\":1}", CODEX, next)
    assert.isTrue(Option.isSome(get(after, CODEX)))
  })

  it("never writes over an entry of another program, nor a record that would damage the file", () => {
    for (const foreign of ["null", "\"text\"", "{}", "{\"type\":\"api\",\"key\":\"k\"}"]) {
      const document = parse(`{"version":1,"tenants":{"codex":${foreign}}}`)
      assert.isTrue(Either.isLeft(AuthJson.put(document, CODEX, credential(1), NOW)))
      assert.strictEqual(AuthJson.remove(document, CODEX, NOW), document.text)
      deepStrictEqual(AuthJson.list(document), [])
      deepStrictEqual(AuthJson.findDamage(document), Option.none())
    }
    const empty = Option.some(Redacted.make(""))
    for (const fields of [{ accessToken: empty }, { refreshToken: empty }]) {
      assert.isTrue(Either.isLeft(AuthJson.put(AuthJson.empty, CODEX, credential(1, fields), NOW)))
    }
  })
})

describe("AuthJson pending logins", () => {
  const seconds = NOW / 1000
  const text = (created: string) =>
    `{"version":1,"tenants":{},"pending":{"a:local":{"created_at":${
      seconds - 60
    },"x":18446744073709551615},"b:local":${created}}}`

  it.each([
    ["old", `{"created_at":${seconds - 900}}`],
    ["from the future", `{"created_at":${seconds + 901}}`],
    ["of year 1970", "{\"created_at\":0}"],
    ["without a time", "{}"],
    ["with another time", "{\"created_at\":\"now\"}"],
    ["no object", "1"]
  ])("a locked write drops one that is %s, and nothing else", (_, pending) => {
    const after = put(text(pending), CODEX, credential(1))
    assert.isTrue(after.endsWith(`"pending":{"a:local":{"created_at":${seconds - 60},"x":18446744073709551615}}}`))
    assert.isTrue(remove(after, CODEX).endsWith(`"x":18446744073709551615}}}`))
  })

  it("a locked write keeps one that is alive, and a login of the same age", () => {
    const before = text(`{"created_at":${seconds - 899}}`)
    const login = credential(1, { obtainedAt: Option.some(1) })
    const after = put(before, CODEX, login)
    assert.strictEqual(remove(after, CODEX), before)
    assert.isTrue(Option.isSome(get(put(after, TenantId.make("other"), login), CODEX)))
  })
})

describe("AuthJson damage", () => {
  const SECRET = "s3cret-content"

  it.each([
    ["not JSON", `{"version":1,"tenants":{"codex":{"access_token":"${SECRET}`],
    ["a trailing comma", `{"version":1,"tenants":{"codex":{"access_token":"${SECRET}",}}}`],
    ["a comment", `{"version":1} // ${SECRET}`],
    ["empty", ""],
    ["white space", " \n"],
    ["no object", `["${SECRET}"]`],
    ["no version", `{"tenants":{},"x":"${SECRET}"}`],
    ["another version", `{"version":2,"tenants":{"codex":{"access_token":"${SECRET}"}}}`],
    ["a version that is a text", `{"version":"1","x":"${SECRET}"}`],
    ["two versions", `{"version":1,"version":1,"x":"${SECRET}"}`],
    ["two frames", `{"version":1,"tenants":{},"tenants":{},"x":"${SECRET}"}`],
    ["tenants that are a list", `{"version":1,"tenants":["${SECRET}"]}`],
    ["tenants that are null", `{"version":1,"tenants":null,"x":"${SECRET}"}`],
    ["moved to no text", `{"version":1,"moved_to":["${SECRET}"]}`]
  ])("a frame that is damaged: %s", (_, text) => {
    const result = AuthJson.parse(text)
    assert.isTrue(Either.isLeft(result) && !result.left.includes(SECRET) && result.left.length > 5)
  })

  it.each([
    ["access_token", "\"\""],
    ["refresh_token", "\"\""],
    ["id_token", "\"\""],
    ["access_token", "1"],
    ["refresh_token", "{}"],
    ["expires_at", "0"],
    ["expires_at", "-1"],
    ["expires_at", `"${SECRET}"`],
    ["expires_at", "1e999"],
    ["obtained_at", "[]"],
    ["generation", "-1"],
    ["generation", "1.5"],
    ["generation", "\"1\""],
    ["vendor", "[]"],
    ["scope", "[\"a\"]"],
    ["account", "\"me\""],
    ["account", "[]"],
    ["account.id", "1"]
  ])("a record that is damaged: %s is %s", (path, value) => {
    const [member, inner] = path.split(".")
    const other = member === "access_token" ? "refresh_token" : "access_token"
    const text = `{"version":1,"tenants":{"good":{"access_token":"a"},"codex":{"${other}":"${SECRET}","${member}":${
      inner === undefined ? value : `{"${inner}":${value}}`
    }}}}`
    const document = parse(text)
    const result = AuthJson.get(document, CODEX)
    assert.isTrue(Either.isLeft(result) && result.left.startsWith(`tenants.codex.${path}: `), String(result))
    assert.isTrue(Either.isLeft(result) && !result.left.includes(SECRET))
    deepStrictEqual(AuthJson.findDamage(document), Either.getLeft(result))
    // A well-formed sibling is still read; the damaged one still has its name.
    assert.isTrue(Option.isSome(get(text, TenantId.make("good"))))
    deepStrictEqual(AuthJson.list(document), [TenantId.make("good"), CODEX])
  })

  it.each([
    ["a member", "{\"codex\":{\"access_token\":\"a\",\"access_token\":\"b\"}}"],
    ["a member, escaped", "{\"codex\":{\"access_token\":\"a\",\"\\u0061ccess_token\":\"b\"}}"],
    ["a member of the account", "{\"codex\":{\"access_token\":\"a\",\"account\":{\"id\":\"1\",\"id\":\"2\"}}}"],
    ["a tenant", "{\"codex\":{\"access_token\":\"a\"},\"codex\":{\"access_token\":\"b\"}}"],
    ["a tenant, once foreign", "{\"codex\":{},\"codex\":{\"access_token\":\"b\"}}"]
  ])("what is there twice is damaged: %s", (_, tenants) => {
    const document = parse(`{"version":1,"tenants":${tenants}}`)
    assert.isTrue(Either.isLeft(AuthJson.get(document, CODEX)))
    assert.isTrue(Option.isSome(AuthJson.findDamage(document)))
  })

  it("one name in two normal forms is there twice", () => {
    const document = parse(
      "{\"version\":1,\"tenants\":{\"\u00e9\":{\"access_token\":\"a\"},\"e\u0301\":{\"access_token\":\"b\"}}}"
    )
    assert.isTrue(Either.isLeft(AuthJson.get(document, TenantId.make("\u00e9"))))
    const one = parse("{\"version\":1,\"tenants\":{\"e\u0301\":{\"access_token\":\"a\"}}}")
    assert.isTrue(Either.isRight(AuthJson.get(one, TenantId.make("\u00e9"))))
  })

  it("tenants are own properties", () => {
    const document = parse("{\"version\":1,\"tenants\":{\"__proto__\":{\"access_token\":\"a\"}}}")
    for (const name of ["toString", "constructor", "access_token"]) {
      deepStrictEqual(AuthJson.get(document, TenantId.make(name)), Either.right(Option.none()))
    }
    assert.isTrue(Option.isSome(get(document.text, TenantId.make("__proto__"))))
    const inner = parse(
      "{\"version\":1,\"tenants\":{\"codex\":{\"__proto__\":{\"access_token\":\"a\"},\"refresh_token\":null}}}"
    )
    deepStrictEqual(get(inner.text, CODEX).pipe(Option.flatMap(({ accessToken }) => accessToken)), Option.none())
  })

  it("pending logins that are no object stop every write and no read", () => {
    const document = parse("{\"version\":1,\"tenants\":{\"codex\":{\"access_token\":\"a\"}},\"pending\":[]}")
    assert.isTrue(Either.isRight(AuthJson.get(document, CODEX)))
    deepStrictEqual(AuthJson.findDamage(document), Option.some("pending: not an object"))
  })
})
