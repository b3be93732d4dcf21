// Prints the one line that says how many tests ran, from the runner's own report.
import { readFileSync } from "node:fs"

const report = JSON.parse(readFileSync(process.argv[2], "utf8"))
if (report.numTotalTests === 0) throw new Error("no test ran")
if (report.numPendingTests + report.numTodoTests > 0) {
  const names = report.testResults.flatMap((file) =>
    file.assertionResults.filter((one) => one.status !== "passed" && one.status !== "failed").map((one) => one.fullName)
  )
  console.log(`skipped:\n  ${names.join("\n  ")}`)
}
console.log(
  `${report.numPassedTests} passed, ${report.numFailedTests} failed, ${
    report.numPendingTests + report.numTodoTests
  } skipped`
)
process.exitCode = report.success ? 0 : 1
