/**
 * Programs of others that ask a keeper in a shape of their own, and the service manager that starts it. Where one is not
 * there, what needs it is skipped, and says how to install it.
 */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

const runs = (program: string, ...args: ReadonlyArray<string>): boolean => {
  const { error, status } = spawnSync(program, [...args], { stdio: "ignore", timeout: 60_000 })
  return error === undefined && status === 0
}

/** The system's own comes first: what is packaged is packaged for it. */
const PYTHONS = ["/usr/bin/python3", "python3"]

/** A Python, for examples that need nothing beside it. */
export const python = PYTHONS.find((program) => runs(program, "-c", "0"))

/** A Python that has Google's own client. */
export const googleAuth = PYTHONS.find((program) => runs(program, "-c", "import google.auth"))

const PROGRAMS = new URL("../../../testkit/programs/", import.meta.url)

/** Where the credential provider of the AWS SDK for JavaScript is resolved from, in the version that is pinned. */
export const awsProvider = existsSync(
    fileURLToPath(new URL("node_modules/@aws-sdk/credential-provider-http/package.json", PROGRAMS))
  )
  ? fileURLToPath(new URL("package.json", PROGRAMS))
  : undefined

export const hasSystemd = runs("systemd-socket-activate", "--version") && runs("systemd-analyze", "--version")

/** Says on stderr what is skipped, and how to get what it needs. Says nothing where everything is there. */
export const explain = (): void => {
  const missing = [
    ...(python === undefined ? ["Python: apt-get install python3"] : []),
    ...(googleAuth === undefined ? ["Google's client: apt-get install python3-google-auth"] : []),
    ...(awsProvider === undefined ? ["the AWS SDK's provider: npm ci --prefix packages/testkit/programs"] : []),
    ...(hasSystemd ? [] : ["systemd: apt-get install systemd"])
  ]
  for (const one of missing) process.stderr.write(`tests of a keeper are skipped, for want of ${one}\n`)
}
