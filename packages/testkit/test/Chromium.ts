/**
 * The Chromium of this machine, without a window.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, mkdirSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

const PATHS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/snap/bin/chromium",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
]

const executablePath = PATHS.find((path) => existsSync(path))

/** Whether there is one. Tests that need it are skipped without it, and say so. */
export const isInstalled: boolean = executablePath !== undefined

if (!isInstalled) process.stderr.write("logins in a real browser are skipped: no Chromium is installed\n")

/** Chromium refuses its sandbox to root. */
const ARGUMENTS = process.geteuid?.() === 0 ? ["--no-sandbox"] : []

export const launch: Effect.Effect<Browser, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => chromium.launch({ executablePath: executablePath!, args: ARGUMENTS })),
  (browser) => Effect.promise(() => browser.close())
)

export interface Tab {
  readonly page: Page
  /** What the browser complained about: a refused style, a failed request, an error in a script. */
  readonly complaints: ReadonlyArray<string>
  /** Every address that the tab could go back to. */
  readonly history: Effect.Effect<ReadonlyArray<string>>
  /** Takes the page as it is in a scheme; answers with the path. */
  readonly screenshot: (name: string, scheme: "light" | "dark") => Effect.Effect<string>
}

const SCREENSHOTS = join(tmpdir(), "lockstep-pages")

/** A tab of a browser that knows nothing yet: no cookie, no history. */
export const open = (browser: Browser, options: BrowserContextOptions = {}): Effect.Effect<Tab, never, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext(options)),
      (context) => Effect.promise(() => context.close())
    )
    const page = yield* Effect.promise(() => context.newPage())
    const session = yield* Effect.promise(() => context.newCDPSession(page))
    const complaints: Array<string> = []
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("requestfailed", (request) => complaints.push(`${new URL(request.url()).pathname} failed`))
    return {
      page,
      complaints,
      history: Effect.promise(async () => {
        const { entries } = await session.send("Page.getNavigationHistory")
        return entries.map(({ url }) => url)
      }),
      screenshot: (name, scheme) =>
        Effect.promise(async () => {
          mkdirSync(SCREENSHOTS, { recursive: true })
          const path = join(SCREENSHOTS, `${name}-${scheme}.png`)
          await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" })
          await page.screenshot({ path, fullPage: true })
          return path
        })
    }
  })
