"""Everything around the software: environment, scheduler, and later stacks, images and manifests."""
