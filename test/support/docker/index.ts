export { needsDocker } from './needs-docker.ts';
export { docker, type DockerOptions } from './docker.ts';
export { ansibleImage, busyboxImage, debianImage, ensureImages, type TestImage } from './images.ts';
export { dockerNames, removeDockerThings, uniqueName } from './names.ts';
export { pushImage, startRegistry, type Registry, type RegistryAccount } from './registry.ts';
