import { assert, describe, it } from "@effect/vitest"
import type * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import { credential } from "@lockstep/testkit/contract/credentials"
import * as CodexMcp from "@lockstep/tools/adapters/CodexMcp"
import * as Hermes from "@lockstep/tools/adapters/Hermes"
import * as Openab from "@lockstep/tools/adapters/Openab"
import type { ToolFile } from "@lockstep/tools/ToolFile"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ToolHomes from "./support/toolHomes.js"
import * as Processes from "./support/toolProcesses.js"

interface Case {
  readonly tool: ToolFile
  readonly name: string
  readonly tenant: string
  /** What the tool has in its file beside our tenant. Some of it no reader of JSON would give back. */
  readonly text: string
  /** Names the member that the other process counts up. */
  readonly member: string
  /** Cuts out what we and the other process change. */
  readonly rest: (text: string) => string
}

const STRANGE =
  "\"big\" :18446744073709551615,\t\"x\": 1.0, \"x\":1e3,\"__proto__\" : { \"a\":[ 1 ,2 ] } ,\n\"\\u0064ot\":\"\\/\""

const withoutDigits = (member: string) => (text: string) =>
  text.replace(new RegExp(`("${member}"\\s*:\\s*)\\d+`), "$10")

const cases: ReadonlyArray<Case> = [
  {
    tool: Openab.tool,
    name: "auth.json",
    tenant: "codex",
    text: `{ "anthropic-oauth" : {"access_token":"a" ,"refresh_token":"r","expires_at":18446744073709551615,\n`
      + `"token_endpoint":"https://x","provider":"anthropic-oauth", "count":0, ${STRANGE}},\n\n`
      + `  "linear":{"client_id":"c", ${STRANGE} }}\n`,
    member: "count",
    rest: withoutDigits("count")
  },
  {
    tool: CodexMcp.tool,
    name: ".credentials.json",
    tenant: "mcp:linear",
    text: `{"sentry|0000000000000000" : {"server_name":"sentry","server_url":"https://s/mcp","client_id":"c",`
      + `"access_token":"a","expires_at":18446744073709551615,"count": 0, ${STRANGE}}}`,
    member: "count",
    rest: withoutDigits("count")
  },
  {
    tool: Hermes.tool,
    name: "auth.json",
    tenant: "openai-codex",
    text:
      `{"version": 1, "updated_at":"2026-09-01T00:00:00+00:00",\n "credential_pool":{"openai-codex":[ {"id":"x"} ]},`
      + `"providers" : {"nous":{"agent_key":"k", ${STRANGE}}}, "count" : 0, ${STRANGE} }\n`,
    member: "count",
    rest: (text) => withoutDigits("count")(text).replace(/("updated_at":)"[^"]*"/, "$1\"\"")
  }
]

/** How often each writes; more by hand with `LOCKSTEP_ROUNDS`. */
const TIMES = Number(process.env["LOCKSTEP_ROUNDS"] ?? 60)
const WRITERS = 2

const put = (tenant: TenantId.TenantId, next: Credential.Credential) => (store: ToolHomes.Opened["store"]) =>
  store.modify(tenant, () => Change.Put({ credential: next, value: () => undefined }))

describe("interleaved with another program that takes the tool's locks", () => {
  it.scopedLive.each(cases)(
    "$tool.name: hundreds of writes, none lost, every other byte as it was",
    ({ member, name, rest, tenant: tenantName, text, tool }) =>
      Effect.gen(function*() {
        const tenant = TenantId.make(tenantName)
        const opened = yield* ToolHomes.withText(tool, name, text)
        const { path, read, store } = opened
        yield* put(
          tenant,
          credential(1, { resource: Option.some("https://mcp.example/mcp"), obtainedAt: Option.some(1_790_000_000) })
        )(store)
        const before = read()

        const [lock, ...others] = tool.locks(path, LockTarget.Aggregate(), Option.none)
        assert.isEmpty(others)
        const theirs = yield* Effect.replicateEffect(
          Processes.foreignWriter({ path, lock: lock!.path, member, times: TIMES }),
          WRITERS
        )
        const ours = yield* Effect.replicateEffect(Processes.spawn({ tool: tool.name, path }), WRITERS)
        yield* Effect.forEach(theirs, ({ go }) => go)
        const answers = yield* Effect.forEach(
          ours,
          (child) => child.ask({ do: "write", tenant, times: TIMES }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(answers.map((answer) => answer["event"]), ["done", "done"])
        yield* Effect.forEach(theirs, ({ done }) => done)

        const after = read()
        const counted = new RegExp(`"${member}"\\s*:\\s*(\\d+)`).exec(after)?.[1]
        assert.strictEqual(Number(counted), WRITERS * TIMES)
        const stored = yield* Effect.flatten(store.get(tenant))
        assert.strictEqual(stored.credential.generation, 1 + WRITERS * TIMES)
        const withoutTokens = (whole: string) => rest(whole).replaceAll(/lockstep-[ar]t-[\w-]+/g, "token")
        assert.strictEqual(withoutTokens(after), withoutTokens(before))
        const start = text.slice(0, text.indexOf(STRANGE) + STRANGE.length)
        assert.isTrue(rest(after).startsWith(rest(start)))
      }),
    180_000
  )
})
