#!/usr/bin/env python3
from agave_tf.commands.export import main

main()
