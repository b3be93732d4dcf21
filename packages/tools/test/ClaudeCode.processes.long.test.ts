import { directoryToolTests } from "./support/directoryToolTests.js"

directoryToolTests(
  "claude-code",
  { access: "accessToken", refresh: "refreshToken", expires: "expiresAt" },
  "claudeAiOauth"
)
