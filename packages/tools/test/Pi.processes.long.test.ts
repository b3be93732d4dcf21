import { directoryToolTests } from "./support/directoryToolTests.js"

directoryToolTests("pi", { access: "access", refresh: "refresh", expires: "expires" }, "anthropic")
