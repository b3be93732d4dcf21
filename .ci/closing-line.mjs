// Prints the one line that says how many tests ran, from the runner's own reports: one per suite.
import { readFileSync } from "node:fs"

const reports = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")))
if (reports.length === 0 || reports.some(({ numTotalTests }) => numTotalTests === 0)) throw new Error("no test ran")

const tests = reports.flatMap(({ testResults }) => testResults.flatMap(({ assertionResults }) => assertionResults))
const skipped = tests.filter(({ status }) => status !== "passed" && status !== "failed")
if (skipped.length > 0) console.log(`skipped:\n  ${skipped.map(({ fullName }) => fullName).join("\n  ")}`)

const sum = (member) => reports.reduce((total, report) => total + report[member], 0)
console.log(`${sum("numPassedTests")} passed, ${sum("numFailedTests")} failed, ${skipped.length} skipped`)
process.exitCode = reports.every(({ success }) => success) ? 0 : 1
