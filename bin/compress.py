#!/usr/bin/env python3
from agave_tf.commands.compress import main

main()
