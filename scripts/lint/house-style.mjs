// Rules of this project that oxlint does not have. Each is a mistake that has a safe replacement here, and the message names it.
// `test/lint/house-style.test.ts` shows what each one catches.

const childProcess = new Set(['child_process', 'node:child_process']);

const noShell = {
  create: (context) => ({
    ImportDeclaration(node) {
      if (!childProcess.has(node.source.value)) return;
      for (const specifier of node.specifiers) {
        const name = specifier.imported?.name;
        if (name === 'exec' || name === 'execSync') {
          context.report({
            node: specifier,
            message: `${name} runs a shell string. Use spawn or execFile with an array of arguments.`,
          });
        }
      }
    },
    Property(node) {
      if (nameOf(node.key) !== 'shell' || node.value.type !== 'Literal' || !node.value.value) return;
      context.report({ node, message: 'No shell between us and a command: pass an array of arguments.' });
    },
  }),
};

const noRecursiveRemove = {
  create: (context) => ({
    CallExpression(node) {
      const name = nameOf(node.callee.type === 'MemberExpression' ? node.callee.property : node.callee);
      if (name !== 'rm' && name !== 'rmSync' && name !== 'rmdir' && name !== 'rmdirSync') return;
      const options = node.arguments[1];
      if (options?.type !== 'ObjectExpression') return;
      if (
        !options.properties.some((property) => nameOf(property.key) === 'recursive' && property.value.value !== false)
      )
        return;
      context.report({
        node,
        message: 'Use removeTree of src/lib, which refuses whatever is not inside the directory you name.',
      });
    },
  }),
};

const noEnvSpread = {
  create: (context) => {
    const message =
      'A child gets an environment that was built for it, never all of ours: name the variables it needs.';
    return {
      SpreadElement(node) {
        if (isProcessEnv(node.argument)) context.report({ node, message });
      },
      CallExpression(node) {
        const copies =
          node.callee.type === 'MemberExpression' &&
          nameOf(node.callee.object) === 'Object' &&
          nameOf(node.callee.property) === 'assign';
        if (copies && node.arguments.slice(1).some(isProcessEnv)) context.report({ node, message });
      },
    };
  },
};

const zodNamespace = {
  create: (context) => ({
    ImportDeclaration(node) {
      if (node.source.value !== 'zod' || node.importKind === 'type') return;
      if (node.specifiers.length === 1 && node.specifiers[0].type === 'ImportNamespaceSpecifier') return;
      context.report({
        node,
        message: "Write import * as z from 'zod': any other form drags every locale into the bundle.",
      });
    },
  }),
};

const staticLogMessage = {
  create: (context) => ({
    CallExpression(node) {
      if (
        node.callee.type !== 'MemberExpression' ||
        !/^(debug|info|warn|error)$/.test(nameOf(node.callee.property) ?? '')
      )
        return;
      const { object } = node.callee;
      const owner = nameOf(object.type === 'MemberExpression' ? object.property : object) ?? '';
      if (!/^#?(log|logger)$/.test(owner)) return;
      const [first] = node.arguments;
      const dynamic =
        (first?.type === 'TemplateLiteral' && first.expressions.length > 0) || first?.type === 'BinaryExpression';
      if (dynamic)
        context.report({
          node: first,
          message: 'A log message is a fixed text; what changes goes into the fields, so that logs can be searched.',
        });
    },
  }),
};

const disableNeedsReason = {
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        if (!/^\s*(oxlint|eslint)-disable/.test(comment.value)) continue;
        if (/\s--\s+\S/.test(comment.value)) continue;
        context.report({ loc: comment.loc, message: 'Say why the rule does not apply here, after ` -- `.' });
      }
    },
  }),
};

function nameOf(node) {
  if (!node) return undefined;
  if (node.type === 'PrivateIdentifier') return `#${node.name}`;
  return node.type === 'Identifier' ? node.name : node.type === 'Literal' ? String(node.value) : undefined;
}

function isProcessEnv(node) {
  return node.type === 'MemberExpression' && nameOf(node.object) === 'process' && nameOf(node.property) === 'env';
}

export default {
  meta: { name: 'house' },
  rules: {
    'no-shell': noShell,
    'no-recursive-remove': noRecursiveRemove,
    'no-env-spread': noEnvSpread,
    'zod-namespace': zodNamespace,
    'static-log-message': staticLogMessage,
    'disable-needs-reason': disableNeedsReason,
  },
};
