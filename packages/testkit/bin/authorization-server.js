#!/usr/bin/env node
import { main } from "../dist/AuthorizationServerProcess.js"

main(process.argv[2])
