// Holds what a server sends to the modules of src/web: each of its scripts is the same program as the modules that were joined to
// it, one after the other, and no name means another thing there. Usage: node joined.js PROGRAM

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const WEB = fileURLToPath(new URL('../../src/web', import.meta.url));
const ENTRIES = ['words/en.js', 'words/ja.js', 'words/later/en.js', 'words/later/ja.js', 'main.js', 'later.js'];
const MADE = 'commands/server.js';

/** The scripts as they are sent. */
async function sent(program) {
  const server = spawn(program, ['--data', 'none', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [line] = await once(createInterface(server.stdout), 'line');
    const base = `http://127.0.0.1:${/:(\d+)$/.exec(line)[1]}/`;
    const [place] = /a\/[^/]+\//.exec(await (await fetch(base)).text());
    return await Promise.all(ENTRIES.map(async (entry) => [entry, await (await fetch(base + place + entry)).text()]));
  } finally {
    server.kill();
  }
}

const options = { allowJs: true, checkJs: true, noEmit: true, target: ts.ScriptTarget.ES2024, module: ts.ModuleKind.ES2022, moduleResolution: ts.ModuleResolutionKind.Bundler,
  rootDirs: [WEB, fileURLToPath(new URL('made', import.meta.url))], types: [] };
const program = ts.createProgram(ENTRIES.map((entry) => join(WEB, entry)), options), checker = program.getTypeChecker();
const moduleOf = (path) => program.getSourceFile(join(WEB, path));
const parse = (path, text) => ts.createSourceFile(path, text, ts.ScriptTarget.ES2024, true, ts.ScriptKind.JS);

const isBinding = (statement) => ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement);
const importsOf = (file) => file.statements.filter(ts.isImportDeclaration).map((one) => relative(WEB, join(dirname(file.fileName), one.moduleSpecifier.text)));
const isExport = (modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword;

/** What is done by the module at a path: without comments and blanks, imports and exports; what it loads is named from the root. */
function programOf(file, path) {
  const printer = ts.createPrinter({ removeComments: true });
  const drop = (context) => (root) => ts.visitEachChild(root, (statement) => {
    if (isBinding(statement)) return undefined;
    const named = (node) => (ts.isStringLiteral(node) && node.text.startsWith('.') ? ts.factory.createStringLiteral(join(dirname(path), node.text)) : ts.visitEachChild(node, named, context));
    const seek = (node) => ts.visitEachChild(node, node.expression?.kind === ts.SyntaxKind.ImportKeyword ? named : seek, context);
    const node = ts.visitNode(statement, seek);
    const modifiers = node.modifiers?.filter((one) => !isExport(one));
    if (ts.isVariableStatement(node)) return ts.factory.updateVariableStatement(node, modifiers, node.declarationList);
    if (ts.isFunctionDeclaration(node)) return ts.factory.updateFunctionDeclaration(node, modifiers, node.asteriskToken, node.name, node.typeParameters, node.parameters, node.type, node.body);
    if (ts.isClassDeclaration(node)) return ts.factory.updateClassDeclaration(node, modifiers, node.name, node.typeParameters, node.heritageClauses, node.members);
    return node;
  }, context);
  const { transformed: [plain] } = ts.transform(file, [drop]);
  // Lists are printed as they were broken into lines.
  return plain.statements.map((statement) => tokensOf(printer.printNode(ts.EmitHint.Unspecified, statement, file)));
}

function tokensOf(text) {
  const found = [], walk = (node) => (node.getChildCount() ? node.getChildren().filter((child) => !ts.isJSDoc(child)).forEach(walk) : found.push(node.getText()));
  walk(parse('x.js', text));
  return found.filter(Boolean).join(' ');
}

/** The modules of an entry that no entry before it has, in the order in which they are run. */
function orderOf(path, seen, order = []) {
  if (seen.has(path)) return order;
  seen.add(path);
  for (const one of path === MADE ? [] : importsOf(moduleOf(path))) orderOf(one, seen, order);
  order.push(path);
  return order;
}

/** Every name at the top level, and every name that is used and that the browser has. */
function namesOf(file) {
  const own = [...(file.locals?.keys() ?? [])].filter((name) => !file.locals.get(name).declarations.some(ts.isImportSpecifier)), global = new Set();
  const visit = (node) => {
    if (ts.isIdentifier(node) && !(ts.isPropertyAccessExpression(node.parent) && node.parent.name === node)) {
      const [first] = checker.getSymbolAtLocation(node)?.declarations ?? [];
      if (first && program.isSourceFileDefaultLibrary(first.getSourceFile()) && first.parent.kind !== ts.SyntaxKind.InterfaceDeclaration) global.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { own, global };
}

const seen = new Set();
let count = 0;
for (const [entry, text] of await sent(process.argv[2])) {
  const order = orderOf(entry, seen), script = parse(entry, text), taken = new Map();
  assert.equal(script.parseDiagnostics[0]?.messageText, undefined, entry);
  const expected = order.filter((path) => path !== MADE).flatMap((path) => programOf(moduleOf(path), path));
  const found = programOf(script, entry).filter((statement) => !statement.startsWith('const COMMANDS = '));
  for (const [at, statement] of expected.entries()) assert.equal(found[at], statement, `${entry}: statement ${at}`);
  assert.equal(found.length, expected.length, entry);
  const names = order.filter((path) => path !== MADE).map((path) => [path, namesOf(moduleOf(path))]);
  for (const [path, { own }] of names) {
    for (const name of own) {
      assert.ok(!taken.has(name), `${name} is in ${path} and in ${taken.get(name)}`);
      taken.set(name, path);
    }
  }
  for (const [path, { global }] of names) for (const name of global) assert.ok(!taken.has(name), `${path} means the browser's ${name}, and ${taken.get(name)} has its own`);
  count += order.length;
}
console.log(`${count} modules in ${ENTRIES.length} scripts`);
