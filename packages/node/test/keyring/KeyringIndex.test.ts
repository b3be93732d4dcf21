import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as TenantId from "@lockstep/core/TenantId"
import * as JsonTree from "@lockstep/node/JsonTree"
import * as KeyringIndex from "@lockstep/node/keyring/KeyringIndex"
import * as KeyringIndexChange from "@lockstep/node/keyring/KeyringIndexChange"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import { anyValue, mutated, space, unknownMember } from "@lockstep/testkit/homes/JsonTexts"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"

const CODEX = TenantId.make("codex")
const GOOD = TenantId.make("good")
const NOW = 1_790_000_000_000
const NOTHING: ReadonlySet<string> = new Set()

const { array, constantFrom, record, tuple } = FastCheck

const parse = (text: string): KeyringIndex.Document =>
  Either.getOrThrowWith(KeyringIndex.format.parse(text), (damage) => new Error(damage))

const id = (n: number): string => n.toString(16).padStart(16, "0")

const current = (n: number): KeyringIndex.Current =>
  KeyringIndex.Current.make({ generation: n, writeId: id(n), parts: 1, bytes: n, sha256: id(n).repeat(4) })

const get = (text: string, tenant: TenantId.TenantId) =>
  Either.getOrThrowWith(KeyringIndex.get(parse(text), tenant), (damage) => new Error(damage))

const currentText = (n: number) =>
  `{"generation":${n},"write_id":"${id(n)}","parts":1,"bytes":${n},"sha256":"${id(n).repeat(4)}"}`

const empty = KeyringIndex.format.empty.text

const begin = (text: string, n: number, tenant = CODEX, now = NOW) =>
  KeyringIndexChange.begin(parse(text), { tenant, writeId: id(n), parts: 1 }, NOTHING, now)

const commit = (text: string, n: number, tenant = CODEX, now = NOW) =>
  KeyringIndexChange.commit(parse(text), tenant, current(n), NOTHING, now)

const staleOf = (text: string) => KeyringIndex.stale(parse(text)).map(({ writeId }) => writeId).sort()

const writing = (text: string, ...ids: ReadonlyArray<number>) =>
  ids.filter((n) => KeyringIndex.isWriting(parse(text), id(n)))

describe("the index of a keyring", () => {
  it("names a write before it counts, then as what counts, then as what is to be removed", () => {
    const begun = begin(empty, 1)
    assertEquals(get(begun, CODEX), Option.none())
    deepStrictEqual(writing(begun, 1), [1])
    const written = commit(begun, 1)
    assertEquals(get(written, CODEX), Option.some(current(1)))
    deepStrictEqual([writing(written, 1), staleOf(written)], [[], []])
    const replaced = commit(begin(written, 2), 2)
    assertEquals(get(replaced, CODEX), Option.some(current(2)))
    deepStrictEqual(staleOf(replaced), [id(1)])
    const removed = KeyringIndexChange.remove(parse(replaced), CODEX, new Set([id(1)]), NOW)
    assertEquals(get(removed, CODEX), Option.none())
    deepStrictEqual(staleOf(removed), [id(2)])
  })

  it("ends every other write of a tenant with one that counts, and none of another tenant", () => {
    let text = begin(begin(begin(empty, 1), 2), 3, GOOD)
    text = commit(text, 1)
    deepStrictEqual(writing(text, 1, 2, 3), [3])
    deepStrictEqual(staleOf(text), [id(2)])
    text = KeyringIndexChange.remove(parse(begin(text, 4)), CODEX, NOTHING, NOW)
    deepStrictEqual(writing(text, 3, 4), [3])
    deepStrictEqual(staleOf(text), [id(1), id(2), id(4)])
  })

  it("ends a write of another tenant once no process can be at it any more, or the clock was set back", () => {
    for (const later of [NOW + 901_000, NOW - 901_000]) {
      const text = commit(begin(begin(empty, 1, GOOD), 2, CODEX, later), 2, CODEX, later)
      deepStrictEqual([writing(text, 1), staleOf(text)], [[], [id(1)]])
    }
    const text = commit(begin(empty, 1, GOOD), 2, CODEX, NOW + 899_000)
    deepStrictEqual(writing(text, 1), [1])
  })

  it("tells what may still arrive from what is over", () => {
    const replaced = KeyringIndex.stale(parse(commit(commit(empty, 1), 2)))
    const ended = KeyringIndex.stale(parse(commit(begin(empty, 1), 2)))
    const abandoned = KeyringIndex.stale(parse(KeyringIndexChange.abandon(parse(begin(empty, 1)), id(1), NOTHING)))
    const hasEnded = (notes: ReadonlyArray<KeyringIndex.Note>, now = NOW) =>
      notes.map((note) => KeyringIndex.hasEnded(note, now))
    deepStrictEqual([hasEnded(replaced), hasEnded(ended), hasEnded(abandoned)], [[true], [false], [false]])
    deepStrictEqual(hasEnded(ended, NOW + 901_000), [true])
  })

  it("forgets what is gone from the keyring, and nothing else", () => {
    const text = commit(commit(commit(empty, 1), 2), 3)
    const forgotten = KeyringIndexChange.begin(
      parse(text),
      { tenant: CODEX, writeId: id(4), parts: 1 },
      new Set([id(1), id(3)]),
      NOW
    )
    deepStrictEqual(staleOf(forgotten), [id(2)])
    assertEquals(get(forgotten, CODEX), Option.some(current(3)))
  })

  it("says where the records went, and that they are here again", () => {
    const text = commit(empty, 1)
    const moved = KeyringIndexChange.setMovedTo(parse(text), Option.some("file"))
    assertEquals(KeyringIndex.format.movedTo(parse(moved)), Option.some("file"))
    assertEquals(
      KeyringIndex.format.movedTo(parse(KeyringIndexChange.setMovedTo(parse(moved), Option.some("secrets")))),
      Option.some("secrets")
    )
    assert.strictEqual(KeyringIndexChange.setMovedTo(parse(moved), Option.none()), text)
  })

  it("holds tenants of any name as own properties", () => {
    for (const name of ["__proto__", "constructor", "é", "a\"b", "\u{1f600}"]) {
      const tenant = TenantId.make(name)
      const text = commit(commit(empty, 1), 2, tenant)
      assertEquals(get(text, tenant), Option.some(current(2)))
      deepStrictEqual([...KeyringIndex.list(parse(text))].sort(), [CODEX, tenant].sort())
      assertEquals(get(KeyringIndexChange.remove(parse(text), tenant, NOTHING, NOW), tenant), Option.none())
    }
    assertEquals(get(empty, TenantId.make("constructor")), Option.none())
  })

  it("is laid out for people", () => {
    assert.strictEqual(
      begin(commit(empty, 1), 2),
      `{
  "version": 1,
  "tenants": {
    "codex": {
      "generation": 1,
      "write_id": "${id(1)}",
      "parts": 1,
      "bytes": 1,
      "sha256": "${id(1).repeat(4)}"
    }
  },
  "writing": {
    "${id(2)}": {
      "tenant": "codex",
      "parts": 1,
      "at": 1790000000
    }
  }
}
`
    )
  })
})

describe("damage", () => {
  const withCodex = (entry: string) => `{"version":1,"tenants":{"good":${currentText(1)},"codex":${entry}}}`

  it.each([
    ["", "line 1, column 1: not JSON"],
    ["{\"version\":1", "line 1, column 13: not JSON"],
    ["[]", "line 1, column 1: not an object"],
    ["{}", "version: missing"],
    ["{\"version\":2}", "version: not 1"],
    ["{\"version\":1,\"version\":1}", "version: there twice"],
    ["{\"version\":1,\"tenants\":[]}", "tenants: not an object"],
    ["{\"version\":1,\"writing\":[]}", "writing: not an object"],
    ["{\"version\":1,\"stale\":1}", "stale: not an object"],
    ["{\"version\":1,\"moved_to\":1}", "moved_to: not a text"]
  ])("of the frame: %s", (text, damage) => {
    assertEquals(KeyringIndex.format.parse(text), Either.left(damage))
  })

  it.each([
    ["7", "tenants.codex: not an object"],
    ["{}", "tenants.codex.generation: not of the expected type or range"],
    [currentText(2).replace(":2,", ":-1,"), "tenants.codex.generation: not of the expected type or range"],
    [currentText(2).replace(id(2), "../../etc"), "tenants.codex.write_id: not of the expected type or range"],
    [currentText(2).replace("\"parts\":1", "\"parts\":0"), "tenants.codex.parts: not of the expected type or range"],
    [currentText(2).replace("\"parts\":1", "\"parts\":65"), "tenants.codex.parts: not of the expected type or range"],
    [currentText(2).replace("\"parts\":1", "\"parts\":1e999"), "tenants.codex.parts: out of range"],
    [currentText(2).replace("{", "{\"parts\":1,"), "tenants.codex.parts: there twice"],
    [`${currentText(2)},"codex":${currentText(2)}`, "tenants.codex: there twice"]
  ])("of one record stops every write, and no reading of another: %s", (entry, damage) => {
    const document = parse(withCodex(entry))
    assertEquals(KeyringIndex.format.findDamage(document), Option.some(damage))
    assertEquals(KeyringIndex.get(document, CODEX), Either.left(damage))
    assertEquals(KeyringIndex.get(document, GOOD), Either.right(Option.some(current(1))))
  })

  it.each([
    ["writing", "{\"x\":{\"tenant\":\"a\",\"parts\":1,\"at\":1}}", "writing.x: not the name of a write"],
    ["stale", `{"${id(1)}":[]}`, `stale["${id(1)}"]: not an object`],
    [
      "stale",
      `{"${id(1)}":{"tenant":"a","parts":"1","at":1}}`,
      `stale["${id(1)}"].parts: not of the expected type or range`
    ],
    [
      "writing",
      `{"${id(1)}":{"tenant":"a","parts":1,"at":1},"${id(1)}":{"tenant":"a","parts":1,"at":1}}`,
      `writing["${id(1)}"]: there twice`
    ]
  ])("of a note in %s stops every write: %s", (list, value, damage) => {
    const document = parse(`{"version":1,"tenants":{"good":${currentText(1)}},"${list}":${value}}`)
    assertEquals(KeyringIndex.format.findDamage(document), Option.some(damage))
    assertEquals(KeyringIndex.get(document, GOOD), Either.right(Option.some(current(1))))
  })
})

describe("any index", () => {
  const operation = tuple(
    constantFrom("begin", "commit", "remove", "abandon", "move"),
    constantFrom(CODEX, GOOD, TenantId.make("__proto__")),
    FastCheck.integer({ min: 1, max: 9 })
  )

  const apply = (text: string, [what, tenant, n]: readonly [string, TenantId.TenantId, number]): string => {
    switch (what) {
      case "begin":
        return begin(text, n, tenant)
      case "commit":
        return commit(text, n, tenant)
      case "remove":
        return KeyringIndexChange.remove(parse(text), tenant, new Set([id(n)]), NOW)
      case "abandon":
        return KeyringIndexChange.abandon(parse(text), id(n), NOTHING)
      default:
        return KeyringIndexChange.setMovedTo(parse(text), n % 2 === 0 ? Option.some("file") : Option.none())
    }
  }

  const members = (list: ReadonlyArray<readonly [string, string]>, gap: string): string =>
    `{${list.map(([name, value]) => `${gap}"${name}"${gap}:${gap}${value}${gap}`).join(",")}}`

  /** A file of another program's making: unknown members everywhere, in any layout. */
  const file = record({
    gap: space,
    root: array(unknownMember, { maxLength: 3 }),
    entry: array(unknownMember, { maxLength: 2 }),
    hasLists: FastCheck.boolean(),
    other: anyValue
  }).map(({ entry, gap, hasLists, other, root }) => {
    const unknown = entry.map(({ name, value }) => [name, value] as const)
    const known = Object.entries(JSON.parse(currentText(7)) as Record<string, unknown>).map(([name, value]) =>
      [name, JSON.stringify(value)] as const
    )
    const lists = hasLists ? [["stale", "{}"] as const, ["writing", "{ }"] as const] : []
    return {
      kept: [...root.map(({ value }) => value), ...entry.map(({ value }) => value), other],
      text: members([
        ...root.map(({ name, value }) => [name, value] as const),
        ["tenants", members([["kept", members([...unknown, ...known, ["later", other]], gap)]], gap)],
        ["version", "1"],
        ...lists
      ], gap)
    }
  })

  /** The source of every value whose member is unknown here, by where it is. */
  const strange = (text: string): ReadonlyArray<string> => {
    const found: Array<string> = []
    const visit = (node: JsonTree.JsonNode, path: string) => {
      if (node.kind !== "object") return
      for (const { name, value } of node.members) {
        const at = `${path}/${name}`
        const isOurs = path === "" && /^(version|moved_to|tenants|writing|stale)$/.test(name)
        const isInside = path === "/tenants/kept" || path === "" && !isOurs
        if (isInside) found.push(`${at} ${text.slice(value.start, value.end)}`)
        else if (at === "/tenants" || at === "/tenants/kept") visit(value, at)
      }
    }
    visit(Either.getOrThrow(JsonTree.parse(text)), "")
    return found
  }

  it("changes what it is told to change, and no other byte", () => {
    FastCheck.assert(
      FastCheck.property(file, array(operation, { minLength: 1, maxLength: 12 }), ({ text }, operations) => {
        const after = operations.reduce(apply, text)
        deepStrictEqual(strange(after), strange(text))
        assertEquals(KeyringIndex.format.findDamage(parse(after)), Option.none())
      }),
      { numRuns: 500 }
    )
  })

  it("knows of every write what it was told last, whatever happens in whatever order", () => {
    FastCheck.assert(
      FastCheck.property(array(operation, { maxLength: 30 }), (operations) => {
        let text = empty
        const counts = new Map<string, number>()
        for (const [what, tenant, n] of operations) {
          text = apply(text, [what, tenant, n])
          if (what === "commit") counts.set(tenant, n)
          if (what === "remove") counts.delete(tenant)
        }
        deepStrictEqual([...KeyringIndex.list(parse(text))].sort(), [...counts.keys()].sort())
        for (const [tenant, n] of counts) {
          assertEquals(get(text, TenantId.make(tenant)), Option.some(current(n)))
        }
      }),
      { numRuns: 300 }
    )
  })

  it("that is mutilated is damaged or sound, never a crash, and is never quoted", () => {
    const secret = FakeToken.make("rt")
    const whole = commit(begin(commit(empty, 1), 2), 3, GOOD).replace("\"codex\"", `"x": "${secret}",\n"codex"`)
    FastCheck.assert(
      FastCheck.property(mutated(constantFrom(whole)), (text) => {
        const parsed = KeyringIndex.format.parse(text)
        const said = Either.isLeft(parsed)
          ? parsed.left
          : Option.getOrElse(KeyringIndex.format.findDamage(parsed.right), () => "")
        assert.isFalse(said.includes(secret.slice(8, 24)))
        if (Either.isRight(parsed)) {
          KeyringIndex.list(parsed.right)
          KeyringIndex.stale(parsed.right)
          KeyringIndex.get(parsed.right, CODEX)
        }
      }),
      { numRuns: 3_000 }
    )
  })

  it("of great depth or size is no crash", () => {
    for (const text of ["[".repeat(100_000), `{"version":1,"x":${"[".repeat(100_000)}`, "{\"a\":".repeat(50_000)]) {
      assert.isTrue(Either.isLeft(KeyringIndex.format.parse(text)))
    }
    const many = Array.from({ length: 5_000 }, (_, n) => `"t${n}":${currentText(n)}`).join(",")
    assert.strictEqual(KeyringIndex.list(parse(commit(`{"version":1,"tenants":{${many}}}`, 1))).length, 5_001)
  })
})
