/**
 * A person logs in: the real command, a real authorization server with its pages, and a real browser between them.
 */
import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as LoginPages from "@lockstep/testkit/servers/LoginPages"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import * as Chromium from "./Chromium.js"
import { entry } from "./Command.js"

interface Stored {
  readonly access_token: string
  readonly refresh_token: string
  readonly account: { readonly id: string }
}

const stage = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make({ pages: true })
  const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
  const command = yield* entry
  const opened = join(harness.environment["HOME"]!, "opened")
  const opener = join(harness.environment["HOME"]!, "opener")
  // What the command opens is a program of the person's choice; this one tells the test where to go.
  writeFileSync(opener, "#!/bin/sh\nprintf %s \"$1\" > \"$0.tmp\" && mv \"$0.tmp\" \"${0%er}ed\"\n", { mode: 0o755 })
  const auth = join(harness.home, "auth.json")
  return {
    server,
    harness,
    /** Begins a login and waits until the command has opened the browser. */
    login: (...args: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        rmSync(opened, { force: true })
        const child = yield* harness.spawn({
          args: [
            command,
            "login",
            "--issuer",
            server.issuer,
            "--client-id",
            server.clientId,
            "--tenant",
            "agent",
            "--scope",
            "openid email offline_access",
            ...args
          ],
          env: { LOCKSTEP_BROWSER: opener }
        })
        yield* child.closeStdin
        yield* Effect.repeat(Effect.promise(() => setTimeout(5)), { until: () => existsSync(opened) })
        return { child, address: readFileSync(opened, "utf8") }
      }),
    /** Asks for a token as an agent does. */
    token: Effect.gen(function*() {
      const child = yield* harness.spawn({ args: [command, "token", "agent"], prints: ["access_token"] })
      yield* child.exit
      return (yield* child.stdout).trim()
    }),
    stored: Effect.sync((): Stored | undefined =>
      existsSync(auth) ? JSON.parse(readFileSync(auth, "utf8")).tenants.agent : undefined
    ),
    mode: Effect.sync(() => statSync(auth).mode & 0o777)
  }
})

const logIn = ({ page }: Chromium.Tab, account: string) =>
  Effect.promise(async () => {
    await page.getByLabel("Account").fill(account)
    await page.getByLabel("Password").fill(LoginPages.PASSWORD)
    await page.getByRole("button", { name: "Log in" }).click()
  })

const press = ({ page }: Chromium.Tab, name: string) => Effect.promise(() => page.getByRole("button", { name }).click())

const heading = ({ page }: Chromium.Tab, name: string) =>
  Effect.promise(() => page.getByRole("heading", { name }).waitFor())

/** No code, no state, nowhere that a person or a later page could read them. */
const assertClean = (tab: Chromium.Tab) =>
  Effect.gen(function*() {
    assert.match(tab.page.url(), /^http:\/\/127\.0\.0\.1:\d+\/done\/[\w-]{22}$/)
    for (const address of yield* tab.history) assert.notMatch(address, /[?&](code|error)=/)
    const html = yield* Effect.promise(() => tab.page.content())
    assert.notMatch(html, /state|code=/)
    deepStrictEqual(tab.complaints, [])
  })

describe("a login in Chromium", () => {
  it.scopedLive.skipIf(!Chromium.isInstalled)(
    "of a person who agrees is stored, works, and ends on a page that says so, with and without scripts",
    () =>
      Effect.gen(function*() {
        const { harness, login, mode, server, stored, token } = yield* stage
        const browser = yield* Chromium.launch
        for (const [account, javaScriptEnabled] of [["ann", true], ["bob", false]] as const) {
          const { address, child } = yield* login(...account === "bob" ? ["--replace"] : [])
          const tab = yield* Chromium.open(browser, { javaScriptEnabled })
          yield* Effect.promise(() => tab.page.goto(address))
          yield* logIn(tab, account)
          yield* press(tab, "Agree")
          yield* heading(tab, "You are logged in")
          yield* assertClean(tab)
          for (const scheme of ["light", "dark"] as const) yield* tab.screenshot("done", scheme)
          const exit = yield* child.exit
          assert.strictEqual(exit.code, 0, yield* child.stderr)
          const login_ = yield* stored
          deepStrictEqual(login_?.account, { id: account })
          assert.strictEqual(yield* mode, 0o600)
          assert.isTrue(yield* server.isActive(login_?.refresh_token ?? ""))
          const served = yield* token
          assert.strictEqual(served, login_?.access_token)
          assert.isTrue(yield* server.isActive(served))
        }
        yield* harness.assertNoLeak
      })
  )

  it.scopedLive.skipIf(!Chromium.isInstalled)(
    "of a person who says no ends with the reason, on the page and in the command, and stores nothing",
    () =>
      Effect.gen(function*() {
        const { harness, login, stored } = yield* stage
        const browser = yield* Chromium.launch
        const { address, child } = yield* login("--json")
        const tab = yield* Chromium.open(browser, { viewport: { width: 375, height: 667 } })
        yield* Effect.promise(() => tab.page.goto(address))
        yield* logIn(tab, "ann")
        yield* press(tab, "Deny")
        yield* heading(tab, "The login failed")
        yield* assertClean(tab)
        assert.include(yield* Effect.promise(() => tab.page.innerText("main")), "access was denied")
        for (const scheme of ["light", "dark"] as const) yield* tab.screenshot("failed", scheme)
        assert.strictEqual((yield* child.exit).code, 3)
        const last = JSON.parse((yield* child.stdout).trimEnd().split("\n").at(-1) ?? "")
        assert.deepInclude(last.error, { _tag: "LoginFailed", reason: "Denied" })
        assert.isUndefined(yield* stored)
        yield* harness.assertNoLeak
      })
  )

  it.scopedLive.skipIf(!Chromium.isInstalled)(
    "survives a wrong password, and a page that sends the browser there with an answer of its own",
    () =>
      Effect.gen(function*() {
        const { harness, login, stored } = yield* stage
        const browser = yield* Chromium.launch
        const { address, child } = yield* login()
        const redirect = new URL(address).searchParams.get("redirect_uri") ?? ""
        const hostile = yield* Chromium.open(browser)
        yield* Effect.promise(() => hostile.page.goto(`${redirect}?code=stolen&state=guessed`))
        yield* heading(hostile, "This answer does not belong here")
        yield* hostile.screenshot("refused", "light")
        const tab = yield* Chromium.open(browser)
        yield* Effect.promise(() => tab.page.goto(address))
        yield* logIn(tab, "mallory")
        yield* Effect.promise(() => tab.page.getByRole("alert").waitFor())
        yield* logIn(tab, "ann")
        yield* press(tab, "Agree")
        yield* heading(tab, "You are logged in")
        assert.strictEqual((yield* child.exit).code, 0)
        assert.strictEqual((yield* stored)?.account.id, "ann")
        yield* harness.assertNoLeak
      })
  )
})
