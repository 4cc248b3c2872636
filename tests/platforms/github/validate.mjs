// Asks GitHub's own language service about workflows and actions, as its editor would show it.
// Takes the action's file, then the files to look at; ends with 1 when there is anything to say.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { validate } from "@actions/languageservice";
import { parse } from "yaml";

const [action, ...files] = process.argv.slice(2);
const metadata = parse(readFileSync(action, "utf8"));
// What `with:` hands to our action is checked too; other actions are not looked up.
const UNRESOLVED = /^Unable to resolve action `(?!opsera-step)/;
const actionsMetadataProvider = {
  fetchActionMetadata: async ({ name }) => (name === "opsera-step" ? metadata : undefined),
};
// Reusable workflows of this repository.
const fileProvider = {
  getFileContent: async ({ path }) => ({
    name: path, content: readFileSync(join(dirname(action), path), "utf8"),
  }),
};

async function main() {
  let findings = 0;
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    const document = {
      uri: `file://${file}`, languageId: "yaml", version: 1, lineCount: text.split("\n").length,
      getText: () => text,
      positionAt: () => ({ line: 0, character: 0 }), offsetAt: () => 0,
    };
    const found = await validate(document, { actionsMetadataProvider, fileProvider });
    for (const { message, range } of found) {
      if (UNRESOLVED.test(message)) continue;
      console.log(`${file}:${range.start.line + 1}: ${message}`);
      findings += 1;
    }
  }
  console.log(`${files.length} files, ${findings} findings`);
  process.exit(findings ? 1 : 0);
}

main();
