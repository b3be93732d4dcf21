import { parseCLI, type TestProject } from "vitest/node"

/** Whether this run has a test file below the folder, by the words of its command line. */
export const areBelow = async (folder: string, project: TestProject): Promise<boolean> => {
  const { filter } = parseCLI(["vitest", ...process.argv.slice(2)])
  const { testFiles } = await project.globTestFiles(filter.map((one) => one.replace(/:\d+$/, "")))
  return testFiles.some((file) => file.includes(`/${folder}/`))
}
