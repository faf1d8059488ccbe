/** Tools that share one set of parameters (spec 4.1, 4.2). */
export type AppKind = 'ansible' | 'terraform' | 'other';

/** The kind of a template's `app`; an empty app is Ansible (spec 4.2). */
export function appKind(app: string | undefined): AppKind {
  switch (app) {
    case undefined:
    case '':
    case 'ansible':
      return 'ansible';
    case 'terraform':
    case 'tofu':
    case 'terragrunt':
      return 'terraform';
    default:
      return 'other';
  }
}
