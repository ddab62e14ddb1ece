#!/usr/bin/env python3
from agave_tf.commands.decompress import main

main()
