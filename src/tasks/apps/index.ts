import { ansibleApp } from './ansible/index.ts';
import type { App } from './app.ts';
import { shellApp } from './shell.ts';
import { terraformApp } from './terraform/index.ts';

/** The app that runs templates of this name; every name is one (spec 4.2). */
export function findApp(name: string | undefined): App {
  switch (name) {
    case undefined:
    case '':
    case 'ansible':
      return ansibleApp;
    case 'terraform':
    case 'tofu':
    case 'terragrunt':
      return terraformApp(name);
    default:
      return shellApp(name);
  }
}
