export { type Owner } from './directories.ts';
export { checkoutName, type CheckoutOf, inventoryCheckoutName, inventoryFileName } from './names.ts';
export { type ClearResult, type TaskWorkspace, Workspace, type WorkspaceOptions } from './workspace.ts';
