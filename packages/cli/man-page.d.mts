import type { HelpBook } from "./src/HelpPage.js"

/** The page, in the macros of man(7). */
export declare const page: (book: HelpBook, version: string) => string
