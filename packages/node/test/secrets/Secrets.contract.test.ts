import { custodyCrashContract } from "@lockstep/testkit/contract/CustodyCrashContract"
import * as Custodies from "@lockstep/testkit/homes/HomeCustodies"
import * as Path from "node:path"
import { registerAll } from "../support/sealedContracts.js"
import * as SealedHomes from "../support/sealedHomes.js"

registerAll("sealed, key in a file", SealedHomes.twoViews)
registerAll("sealed, key in a keyring", SealedHomes.twoViewsWith(SealedHomes.sharedKeyring))

custodyCrashContract(
  "sealed",
  Custodies.machine((root) => {
    const file = Path.join(root, "lockstep.key")
    SealedHomes.writeKeys(file, SealedHomes.keyLine())
    return SealedHomes.open(Path.join(root, "home"), { file })
  })
)
